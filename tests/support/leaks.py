"""Whether a test left tasks or descriptors behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SETTLE_S = 2.0


def open_descriptors() -> Counter[str]:
    """How many descriptors of each kind this process holds: socket, pipe, a path.

    They are counted, not named: uvloop makes its own pair of sockets anew whenever
    the loop is run, and pytest runs it once for each fixture.
    """
    kinds: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            what = os.readlink(f"/proc/self/fd/{name}")
            if not what.startswith("/proc/"):  # the listing itself
                kinds[what.split(":")[0]] += 1
    return kinds


def open_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


@dataclass
class Level:
    """What was open when the test began, and what the loop complained of since."""

    descriptors: Counter[str] = field(default_factory=open_descriptors)
    tasks: set[asyncio.Task[Any]] = field(default_factory=open_tasks)
    complaints: list[str] = field(default_factory=list)

    def surplus(self) -> list[str]:
        more = open_descriptors() - self.descriptors
        left = [f"descriptors: {count} more of {kind}" for kind, count in more.items()]
        left += [f"task {task!r}" for task in open_tasks() - self.tasks]
        return sorted(left)

    def outlived_by(self, sockets: int) -> None:
        """Takes what outlives the test on purpose for what was open before it; less than 0 is no longer open."""
        self.descriptors["socket"] += sockets

    async def regained(self, within_s: float = SETTLE_S) -> list[str]:
        """What is still left over once everything has had time to close."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while (left := self.surplus()) and loop.time() < deadline:  # noqa: ASYNC110 (a descriptor tells nobody)
            await asyncio.sleep(0.01)
        return left

    def hear(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")
        loop.default_exception_handler(context)


async def measured() -> Level:
    """The level of now, after what the loop opens once by itself at its first listener."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)
    return Level()
