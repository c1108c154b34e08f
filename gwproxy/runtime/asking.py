"""What a worker was asked and has not answered yet."""

from __future__ import annotations

import asyncio
from typing import Any


class Answers:
    """Each is awaited by one; `what` and `number` say which it is. One that will never come is `ended`."""

    def __init__(self, ended: Any) -> None:
        self._ended = ended
        self._open: dict[tuple[str, int], asyncio.Future[Any]] = {}

    async def wait(self, what: str, number: int) -> Any:
        """The answer, when it comes."""
        key, future = (what, number), asyncio.get_running_loop().create_future()
        self._open[key] = future
        try:
            return await future
        finally:
            # Unless it has been asked again meanwhile.
            if self._open.get(key) is future:
                del self._open[key]

    def settle(self, what: str, number: int, answer: Any) -> None:
        """It has come. One that nobody waits for any more is nothing to anybody."""
        future = self._open.get((what, number))
        if future is not None and not future.done():
            future.set_result(answer)

    def end(self) -> None:
        """None will come any more."""
        for future in self._open.values():
            if not future.done():
                future.set_result(self._ended)
