"""A sliding window in parts, for limits so large that a time for each request would be too much.

Sixty parts and the one that runs, the oldest counted whole: never more than the limit in any window, and at the most
what fell into the oldest part less than there could be.
"""

from __future__ import annotations

from array import array
from typing import Self

from gwproxy.limits.level import MOST, Table
from gwproxy.limits.spec import SUBWINDOWS, LimitSpec

PARTS = SUBWINDOWS + 1


class Parts:
    """How many were allowed in each of the last parts; `last` is the part that was counted in last."""

    __slots__ = ("counts", "last", "total")

    def __init__(self, part: int) -> None:
        self.counts = array("q", bytes(8 * PARTS))
        self.last = part
        self.total = 0

    def move(self, part: int) -> None:
        """Forget what is older than a window before the end of `part`."""
        passed = part - self.last
        if passed <= 0:
            return
        if passed >= PARTS:
            self.counts = array("q", bytes(8 * PARTS))
            self.total = 0
        else:
            for each in range(self.last + 1, part + 1):
                at = each % PARTS
                self.total -= self.counts[at]
                self.counts[at] = 0
        self.last = part

    def leaves(self, least: int) -> int:
        """The part in which at least `least` of what is counted now have left."""
        for part in range(self.last - SUBWINDOWS, self.last + 1):
            least -= self.counts[part % PARTS]
            if least <= 0:
                return part + PARTS
        return self.last + PARTS


class Hard(Table[Parts]):
    """Never more than `requests` in any window, and refusals at most a sixtieth of the window too early."""

    __slots__ = ("_part_us",)

    def __init__(self, spec: LimitSpec, most: int = MOST) -> None:
        super().__init__(spec, spec.part_us * PARTS, most)
        self._part_us = spec.part_us

    def look(self, who: str, now: int) -> int:
        """How long `who` has to wait for a permit; 0 where there is one."""
        state = self._look(who, now)
        return 0 if state is None else self._look_at(state, now)

    def _look_at(self, state: Parts, now: int) -> int:
        part = now // self._part_us
        if part != state.last:
            state.move(part)
        over = state.total - self.spec.requests + 1
        return 0 if over <= 0 else state.leaves(over) * self._part_us - now

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""
        wait = self.look(who, now)
        if wait:
            return -wait
        state = self._state
        if state is None:
            state = self._young[self._who] = self._state = Parts(now // self._part_us)
        state.counts[state.last % PARTS] += 1
        state.total += 1
        return self.spec.requests - state.total

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""
        state = self._state
        assert state is not None
        state.counts[state.last % PARTS] -= 1
        state.total -= 1

    def left(self) -> int:
        """Permits that who was looked at has left."""
        return self.spec.requests if self._state is None else max(self.spec.requests - self._state.total, 0)

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""
        state = self._state
        return 0 if state is None or not state.total else state.leaves(1) * self._part_us - now

    def _blocked(self, state: Parts, now: int) -> bool:
        return self._look_at(state, now) > 0

    def follow(self, before: Self) -> None:
        """Go on from what was known, unless its parts are of another length: their numbers would mean other times."""
        if before._part_us == self._part_us:
            super().follow(before)
