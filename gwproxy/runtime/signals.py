"""What a serving process is asked for from outside, as events."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from gwproxy.runtime.held_back import HELD_BACK

log = logging.getLogger("gwproxy")

ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Asked:
    """`stop`: the first SIGTERM or SIGINT; `at_once`: the second; `reload`, `reopen`, `upgrade`: SIGHUP, SIGUSR1 and
    SIGUSR2, each cleared by who heeds it.
    """

    __slots__ = ("at_once", "reload", "reopen", "stop", "upgrade")

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.at_once = asyncio.Event()
        self.reload = asyncio.Event()
        self.reopen = asyncio.Event()
        self.upgrade = asyncio.Event()

    def ending(self) -> None:
        """SIGTERM or SIGINT has come."""
        (self.at_once if self.stop.is_set() else self.stop).set()


@contextmanager
def signals(*, reloads: bool = True) -> Iterator[Asked]:
    """Hear SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 while the running loop runs. Only in the main thread.

    Who cannot reload is asked by SIGHUP to end: that is what a terminal sends when it closes.
    """
    loop, asked = asyncio.get_running_loop(), Asked()
    for number in ENDING:
        loop.add_signal_handler(number, asked.ending)
    loop.add_signal_handler(signal.SIGHUP, asked.reload.set if reloads else asked.ending)
    loop.add_signal_handler(signal.SIGUSR1, asked.reopen.set)
    loop.add_signal_handler(signal.SIGUSR2, asked.upgrade.set)
    try:
        yield asked
    finally:
        for number in HELD_BACK:
            loop.remove_signal_handler(number)


async def whenever(event: asyncio.Event, act: Callable[[], Awaitable[object]]) -> None:
    """Do `act` each time `event` is set. Until cancelled."""
    while True:
        await event.wait()
        # Before it is done: what is asked for meanwhile is heard again.
        event.clear()
        try:
            await act()
        except Exception:
            # A mistake of ours must not make us deaf.
            log.exception("what a signal asked for has failed")
