"""A quota of the calendar: so many in a day or in a month, both in UTC. A counter, not a window, and it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Self

from gwproxy.limits.level import MOST, Table
from gwproxy.limits.spec import Kind, LimitSpec

_FAR: Final = 1 << 62


def period_of(kind: Kind, now: int) -> tuple[int, int]:
    """Where the day or month that `now` is in begins and ends, in microseconds since 1970."""
    moment = datetime.fromtimestamp(now // 1_000_000, UTC)
    begin = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "month":
        begin = begin.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    else:
        end = begin + timedelta(days=1)
    return int(begin.timestamp()) * 1_000_000, int(end.timestamp()) * 1_000_000


class Quota(Table[int]):
    """Never more than `requests` between one midnight and the next, or one month's first and the next."""

    __slots__ = ("_end_us", "_used")

    def __init__(self, spec: LimitSpec, most: int = MOST) -> None:
        super().__init__(spec, spec.window_us, most)
        self._turn_us = _FAR
        self._end_us = 0
        self._used = 0

    def look(self, who: str, now: int) -> int:
        """How long `who` has to wait for a permit; 0 where there is one."""
        if now >= self._end_us:
            self._dying += [some for some in (self._old, self._young) if some]
            self._young, self._old = {}, {}
            self._end_us = period_of(self.spec.kind, now)[1]
        self._used = self._look(who, now) or 0
        return 0 if self._used < self.spec.requests else self._end_us - now

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""
        wait = self.look(who, now)
        if wait:
            return -wait
        self._used += 1
        self._young[self._who] = self._used
        return self.spec.requests - self._used

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""
        self._used -= 1
        self._young[self._who] = self._used

    def left(self) -> int:
        """Permits that who was looked at has left."""
        return max(self.spec.requests - self._used, 0)

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""
        return self._end_us - now if self._used else 0

    def _blocked(self, state: int, now: int) -> bool:
        return state >= self.spec.requests

    def follow(self, before: Self) -> None:
        """Go on from what was known under another limit of the same kind, in the same period."""
        super().follow(before)
        self._end_us = before._end_us
