"""A token bucket, kept as one number: when it will be full again (GCRA's form: ATM Forum TM 4.0, section 4.4.2)."""

from __future__ import annotations

from gwproxy.limits.level import MOST, Table
from gwproxy.limits.spec import LimitSpec


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
        full = self._look(who, now)
        self._now = now
        # No later than an empty bucket's: a clock that has stepped back must lock nobody out.
        self._full_us = now if full is None else min(max(full, now), now + self._holds_us)
        return max(self._full_us + self._step_us - self._holds_us - now, 0)

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""
        wait = self.look(who, now)
        if wait:
            return -wait
        self._full_us += self._step_us
        self._young[self._who] = self._full_us
        return (self._holds_us - self._full_us + now) // self._step_us

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""
        self._full_us -= self._step_us
        self._young[self._who] = self._full_us

    def left(self) -> int:
        """Permits that who was looked at has left."""
        return max(self._holds_us - self._full_us + self._now, 0) // self._step_us

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""
        missing = self._full_us - now
        return (missing - 1) % self._step_us + 1 if missing > 0 else 0

    def _blocked(self, state: int, now: int) -> bool:
        return state + self._step_us - self._holds_us > now
