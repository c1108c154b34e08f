"""Limits in this process. A decision is a few look-ups between two waits of the loop, and so atomic by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from gwproxy.limits.bucket import Bucket
from gwproxy.limits.decision import Decision
from gwproxy.limits.exact import Exact
from gwproxy.limits.hard import Hard
from gwproxy.limits.level import MOST
from gwproxy.limits.quota import Quota
from gwproxy.limits.spec import LimitSpec

KINDS: Final[dict[str, Any]] = {"exact": Exact, "hard": Hard, "bucket": Bucket, "day": Quota, "month": Quota}
SWEPT_AT_ONCE: Final = 5000
"""Entries freed in one go: about a millisecond."""


class MemoryStore:
    """`memory://`. What it counted goes on over a reload, also where a limit has become another.

    `clock`: monotonic seconds. A wall clock that is set meanwhile changes nothing until the gateway starts again.
    """

    def __init__(self, clock: Callable[[], float], *, wall: float | None = None, most: int = MOST) -> None:
        self.clock = clock
        self._epoch = (time.time() if wall is None else wall) - clock()
        self._most = most
        self._levels: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._used: set[str] = set()

    def now_us(self) -> int:
        """Microseconds since 1970, that never go back."""
        return int((self.clock() + self._epoch) * 1_000_000)

    def plan(self, specs: Sequence[LimitSpec]) -> MemoryPlan:
        """What decides over `specs` together, once `settle_in` has been called."""
        return MemoryPlan(self, [self._level(spec) for spec in specs])

    def _level(self, spec: LimitSpec) -> Any:
        self._used.add(spec.key)
        level = self._new.get(spec.key) or self._levels.get(spec.key)
        if level is None or level.spec != spec:
            level = self._new[spec.key] = KINDS[spec.kind](spec, self._most)
        return level

    def forget_used(self) -> None:
        """Another configuration is bound from here."""
        self._used.clear()
        self._new.clear()

    def settle_in(self) -> None:
        """What was bound last is in force: limits that changed go on from what was counted, others are forgotten."""
        for key, level in self._new.items():
            before = self._levels.get(key)
            if before is not None and type(before) is type(level):
                level.follow(before)
        self._levels |= self._new
        self._levels = {key: level for key, level in self._levels.items() if key in self._used}
        self._new.clear()

    def sweep(self) -> None:
        """Free what nobody needs any more, some at a time. To be called ten times a second."""
        left = SWEPT_AT_ONCE
        for level in self._levels.values():
            left -= level.sweep(left)

    def known(self, who: str) -> list[tuple[LimitSpec, int, int]]:
        """The limits that know `who`, with what is left of each and how long the next permit takes."""
        now = self.now_us()
        found = []
        for level in self._levels.values():
            if level.known(who) is not None:
                wait = level.look(who, now)
                found.append((level.spec, level.left(), wait))
        return found

    def forget(self, who: str) -> int:
        """Give `who` all permits back, of all limits. How many limits knew them."""
        return sum(level.forget(who) for level in self._levels.values())


class MemoryPlan:
    """The limits of one route."""

    __slots__ = ("_levels", "_now_us", "_told")

    def __init__(self, store: MemoryStore, levels: Sequence[Any]) -> None:
        self._now_us = store.now_us
        self._levels = tuple(levels)
        self._told = tuple(level for level in levels if level.spec.told)

    def decide(self, whos: Sequence[str]) -> Decision:
        """Take a permit of each limit, or of none."""
        now = self._now_us()
        refused, longest = None, 0
        levels = self._levels
        for level, who in zip(levels, whos, strict=True):
            wait = level.look(who, now)
            if wait > longest:
                refused, longest = level, wait
        if refused is None:
            for level in levels:
                level.take(now)
        tightest, least = None, 0
        for level in self._told:
            left = level.left()
            if tightest is None or left < least:
                tightest, least = level, left
        if tightest is None:
            return Decision(now, refused and refused.spec, longest, None, 0, 0)
        if refused is not None and refused.spec.told:
            # What is told with a refusal is the limit that refuses: waiting for it must be enough.
            return Decision(now, refused.spec, longest, refused.spec, 0, longest)
        return Decision(now, refused and refused.spec, longest, tightest.spec, least, tightest.renews(now))
