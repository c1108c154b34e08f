"""A token bucket, kept as one number: when it will be full again (GCRA's form: ATM Forum TM 4.0, section 4.4.2).

Below that time stands how long a permit took when it was written: under another rate the permits that were used count,
not the time that they would have taken.
"""

from __future__ import annotations

from typing import Final

from gwproxy.limits.level import MOST, Table
from gwproxy.limits.spec import LimitSpec

BITS: Final = 48
"""For the time of a permit: nine years of microseconds."""
_STEP: Final = (1 << BITS) - 1


class Bucket(Table[int]):
    """Never more than it holds and what its rate gives: at most `requests` + rate x time in any time."""

    __slots__ = ("_full_us", "_holds_us", "_now", "_step_us")

    def __init__(self, spec: LimitSpec, most: int = MOST) -> None:
        self._step_us = spec.step_us
        self._holds_us = spec.step_us * spec.requests
        super().__init__(spec, self._holds_us, most)
        self._full_us = 0
        self._now = 0

    def look(self, who: str, now: int) -> int:
        """How long `who` has to wait for a permit; 0 where there is one."""
        self._now = now
        state = self._look(who, now)
        self._full_us = self._full_of(state, now)
        if state is not None and state & _STEP != self._step_us:
            # From here it fills at this rate, also for who is refused.
            self._young[self._who] = self._full_us << BITS | self._step_us
        return max(self._full_us + self._step_us - self._holds_us - now, 0)

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""
        wait = self.look(who, now)
        if wait:
            return -wait
        self._full_us += self._step_us
        self._young[self._who] = self._full_us << BITS | self._step_us
        return (self._holds_us - self._full_us + now) // self._step_us

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""
        self._full_us -= self._step_us
        self._young[self._who] = self._full_us << BITS | self._step_us

    def left(self) -> int:
        """Permits that who was looked at has left."""
        return max(self._holds_us - self._full_us + self._now, 0) // self._step_us

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""
        missing = self._full_us - now
        return (missing - 1) % self._step_us + 1 if missing > 0 else 0

    def _full_of(self, state: int | None, now: int) -> int:
        if state is None:
            return now
        missing, step = (state >> BITS) - now, state & _STEP
        if missing <= 0:
            return now
        if step != self._step_us:
            missing = -(-missing // step) * self._step_us
        # No later than an empty bucket's: a clock that has stepped back must lock nobody out.
        return now + min(missing, self._holds_us)

    def _blocked(self, state: int, now: int) -> bool:
        return self._full_of(state, now) + self._step_us - self._holds_us > now
