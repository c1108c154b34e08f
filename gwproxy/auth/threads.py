"""What takes long on purpose, beside the loop: at a bounded number at once, with a bounded queue before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from gwproxy.auth.principal import Overloaded

AT_ONCE: Final = 2
"""Threads. Each costs the memory of one password hash."""
WAITING: Final = 16
"""What may wait for them: about as much as is done in two seconds."""

T = TypeVar("T")


class Threads:
    """The threads of this process. None is begun before it is needed."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._under_way = 0
        self._pool: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have `work` done. Raises Overloaded where too much waits already.

        Nobody may cancel the future: what has begun in a thread cannot be stopped, and counts until it ends.
        """
        if self._under_way >= self._most:
            raise Overloaded(f"{self._under_way} passwords are being verified")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="password")
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: asyncio.Future[T]) -> None:
        self._under_way -= 1

    def close(self) -> None:
        """Begin nothing more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
