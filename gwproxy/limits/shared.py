"""The `hard` window of a limit that counts everybody together: one state, and no table to look it up in."""

from __future__ import annotations

from typing import Final

from gwproxy.limits.hard import PARTS, Parts
from gwproxy.limits.spec import LimitSpec

LONG_AGO: Final = -PARTS


class Shared:
    """As `Hard`, of one caller: everybody. `here` is what the part that runs has counted, until it ends at `end`."""

    __slots__ = ("_parts", "_part_us", "end", "here", "most", "requests", "spec", "total")

    def __init__(self, spec: LimitSpec, most: int = 0) -> None:
        self.spec = spec
        self.requests = spec.requests
        # As for a table, which this is not.
        self.most = most
        self._part_us = spec.part_us
        self._parts = Parts(LONG_AGO)
        self.end = 0
        self.here = 0
        self.total = 0

    def _move(self, now: int) -> None:
        """Begin another part."""
        parts = self._parts
        parts.counts[parts.last % PARTS] = self.here
        parts.total = self.total
        part = now // self._part_us
        parts.move(part)
        self.end = (part + 1) * self._part_us
        self.here = parts.counts[parts.last % PARTS]
        self.total = parts.total

    def look(self, who: str, now: int) -> int:
        """How long anybody has to wait for a permit; 0 where there is one."""
        if now >= self.end:
            self._move(now)
        over = self.total - self.requests + 1
        if over <= 0:
            return 0
        self._parts.counts[self._parts.last % PARTS] = self.here
        return self._parts.leaves(over) * self._part_us - now

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""
        if now < self.end and self.total < self.requests:
            self.here += 1
            self.total += 1
            return self.requests - self.total
        wait = self.look(who, now)
        if wait:
            return -wait
        self.here += 1
        self.total += 1
        return self.requests - self.total

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""
        self.here -= 1
        self.total -= 1

    def left(self) -> int:
        """Permits that are left."""
        return max(self.requests - self.total, 0)

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""
        if not self.total:
            return 0
        self._parts.counts[self._parts.last % PARTS] = self.here
        return self._parts.leaves(1) * self._part_us - now

    def known(self, who: str) -> Parts | None:
        """What has been counted, where nobody is named."""
        return None if who else self._parts

    def clear(self) -> None:
        """Forget what was counted."""
        self._parts, self.end, self.here, self.total = Parts(LONG_AGO), 0, 0, 0

    def forget(self, who: str) -> bool:
        """Give all permits back. Whether there were any."""
        found = not who and self.total > 0
        if found:
            self.clear()
        return found

    def sweep(self, most: int) -> int:
        """Nothing is kept that nobody needs."""
        return 0

    def follow(self, before: Shared) -> None:
        """Go on from what was counted under another limit, unless its parts are of another length."""
        if before._part_us == self._part_us:
            self._parts, self.end, self.here, self.total = before._parts, before.end, before.here, before.total
