"""The exact sliding window: the times of the last allowed requests, in a ring.

A window of `requests` is full exactly when the `requests`-th last allowed one is younger than the window. A caller with
one request is a bare number, so that a million of them are to be had.
"""

from __future__ import annotations

from array import array
from typing import Final

from gwproxy.limits.level import MOST, Table
from gwproxy.limits.spec import LimitSpec

FIRST_SIZE: Final = 8


class Ring:
    """`used` times from `head` on, the oldest first."""

    __slots__ = ("head", "times", "used")

    def __init__(self, first: int) -> None:
        self.times = array("q", (first, *([0] * (FIRST_SIZE - 1))))
        self.head = 0
        self.used = 1

    def grow(self) -> None:
        """Twice the room, the oldest at its beginning."""
        times, head = self.times, self.head
        self.times = times[head:] + times[:head] + array("q", bytes(8 * len(times)))
        self.head = 0


class Exact(Table[int | Ring]):
    """Never more than `requests` in any window, and never a refusal that need not be."""

    __slots__ = ("_most_used", "_oldest", "_used", "_window_us")

    def __init__(self, spec: LimitSpec, most: int = MOST) -> None:
        super().__init__(spec, spec.window_us, most)
        self._window_us = spec.window_us
        self._most_used = spec.requests
        self._used = 0
        self._oldest = 0

    def look(self, who: str, now: int) -> int:
        """How long `who` has to wait for a permit; 0 where there is one."""
        state = self._look(who, now)
        if state is None:
            self._used = 0
            return 0
        window = self._window_us
        if type(state) is int:
            self._oldest = state
            self._used = 1 if now - state < window else 0
            return state + window - now if self._used >= self.spec.requests else 0
        return self._look_at(state, now)  # type: ignore[arg-type]

    def _look_at(self, ring: Ring, now: int) -> int:
        times, head, used, window = ring.times, ring.head, ring.used, self._window_us
        size = len(times)
        while used and now - times[head] >= window:
            head += 1
            if head == size:
                head = 0
            used -= 1
        ring.head, ring.used = head, used
        self._used, self._oldest = used, times[head]
        over = used - self.spec.requests
        if over < 0:
            return 0
        # More than one over only where the limit has become smaller.
        return times[(head + over) % size] + window - now

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""
        ring = self._young.get(who)
        if now < self._turn_us and type(ring) is Ring:
            # What comes most, in as few steps as it takes.
            times, head, used, window = ring.times, ring.head, ring.used, self._window_us
            size = len(times)
            while used and now - times[head] >= window:
                head = head + 1 if head + 1 < size else 0
                used -= 1
            if used < self._most_used and used < size:
                at = head + used
                times[at if at < size else at - size] = now
                self._oldest = times[head]
                ring.head = head
                self._used = ring.used = used + 1
                self._state, self._who = ring, who
                return self._most_used - used - 1
        wait = self.look(who, now)
        if wait:
            return -wait
        self._take(now)
        return self._most_used - self._used

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""
        state = self._young[self._who]
        self._used -= 1
        if isinstance(state, Ring):
            state.used -= 1
        elif self._state is None:
            del self._young[self._who]
        else:
            # It had gone by when another took its place.
            self._young[self._who] = self._state

    def _take(self, now: int) -> None:
        state = self._state
        if not self._used:
            self._oldest = now
        self._used += 1
        if state is None:
            self._young[self._who] = now
        elif type(state) is int:
            if self._used == 1:
                self._young[self._who] = now
            else:
                ring = self._young[self._who] = Ring(state)
                ring.times[1] = now
                ring.used = 2
        else:
            self._add(state, now)  # type: ignore[arg-type]

    def _add(self, ring: Ring, now: int) -> None:
        if ring.used == len(ring.times):
            ring.grow()
        at = ring.head + ring.used
        size = len(ring.times)
        ring.times[at if at < size else at - size] = now
        ring.used += 1

    def left(self) -> int:
        """Permits that who was looked at has left."""
        return max(self.spec.requests - self._used, 0)

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""
        return self._oldest + self._window_us - now if self._used else 0

    def _blocked(self, state: int | Ring, now: int) -> bool:
        if type(state) is int:
            return self.spec.requests == 1 and now - state < self._window_us
        return self._look_at(state, now) > 0  # type: ignore[arg-type]
