"""All deadlines of one worker in one wheel, and the worker's idea of now.

A timer a phase a request would cost more than parsing it. Here a thing with deadlines writes the time into its own
`due` and is filed once under the tick in which it may fall; a later `due` moves nothing, the wheel looks again when
the filed tick comes. So the usual request, which ends long before its deadline, pays an assignment and a comparison.

`now` is read from the clock once for each piece of news (bytes from a socket, a timer), not once for each question.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

log = logging.getLogger("gwproxy")

NEVER: Final = float("inf")
TICK_S: Final = 0.02


class Timed(Protocol):
    """What the wheel may hold: `due`, and `filed` (the time it is filed under), both NEVER at first."""

    due: float
    filed: float

    def expired(self, now: float) -> None:
        """`due` has passed; it may set a new one."""


class Wheel:
    """Calls `expired` on each thing whose `due` has passed, at most a tick (20 ms) late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.now = clock()
        self._slots: dict[int, list[Timed]] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._swept = int(clock() / TICK_S)

    def tick(self) -> float:
        """Read the clock: something has happened."""
        self.now = now = self.clock()
        return now

    def set(self, thing: Timed, due: float) -> None:
        """Let `thing` expire at `due` (monotonic seconds), whatever was set before."""
        thing.due = due
        if due < thing.filed:
            self._file(thing, due)

    def _file(self, thing: Timed, due: float) -> None:
        thing.filed = due
        tick = max(int(due / TICK_S) + 1, self._swept)
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [thing]
        else:
            slot.append(thing)
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(TICK_S, self._turn)

    def _turn(self) -> None:
        self._handle = None
        self.sweep()
        if self._slots and self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(TICK_S, self._turn)

    def sweep(self) -> None:
        """Look at every tick up to now. Tests with their own clock call this themselves."""
        now = self.tick()
        tick = int(now / TICK_S)
        slots = self._slots
        first, self._swept = self._swept, tick + 1
        # After a long pause of the process there may be more ticks than slots.
        passed = (
            range(first, tick + 1) if tick - first < len(slots) else sorted(t for t in slots if t <= tick)
        )
        for number in passed:
            for thing in slots.pop(number, ()):
                # Filed again meanwhile, under an earlier tick, it has been looked at there.
                if thing.filed <= now:
                    thing.filed = NEVER
                    self._look(thing, now)

    def _look(self, thing: Timed, now: float) -> None:
        due = thing.due
        if due <= now:
            thing.due = NEVER
            try:
                thing.expired(now)
            except Exception:
                # One thing's mistake must not keep the others of its tick from their ends.
                log.exception("deadline of %r", thing)
        elif due != NEVER:
            self._file(thing, due)

    def close(self) -> None:
        """Forget everything."""
        self._slots.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
