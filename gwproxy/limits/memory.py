"""Limits in this process. A decision is a few look-ups between two waits of the loop, and so atomic by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.bucket import Bucket
from gwproxy.limits.caller import by_principal, who_by
from gwproxy.limits.decision import Refusal
from gwproxy.limits.exact import Exact
from gwproxy.limits.hard import Hard
from gwproxy.limits.known import Known
from gwproxy.limits.level import MOST
from gwproxy.limits.quota import Quota
from gwproxy.limits.shared import Shared
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import SECOND_US, Fields, filled

KINDS: Final[dict[str, Any]] = {"exact": Exact, "hard": Hard, "bucket": Bucket, "day": Quota, "month": Quota}
SWEPT_AT_ONCE: Final = 5000
"""Entries freed in one go: about a millisecond."""


class MemoryStore:
    """`memory://`. What it counted goes on over a reload, also where a limit has become another.

    `clock`: monotonic nanoseconds. A wall clock that is set meanwhile changes nothing until the gateway starts again.
    """

    def __init__(
        self, clock: Callable[[], int] = time.monotonic_ns, *, wall_ns: int | None = None
    ) -> None:
        self.clock = clock
        # As of a store that can fail.
        self.trouble = ""
        self.evicts = ""
        self.failures = 0
        self.epoch_us = (time.time_ns() if wall_ns is None else wall_ns) // 1000 - clock() // 1000
        self._levels: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._used: set[str] = set()
        self._most = MOST

    def now_us(self) -> int:
        """Microseconds since 1970, that never go back."""
        return self.clock() // 1000 + self.epoch_us

    def plan(self, specs: Sequence[LimitSpec], ipv6_prefix: int) -> MemoryPlan:
        """What decides over `specs` together, once `settle_in` has been called."""
        return MemoryPlan(self, [self._level(spec) for spec in specs], ipv6_prefix)

    def plan_now(self, specs: Sequence[LimitSpec], ipv6_prefix: int) -> MemoryPlan:
        """What decides over `specs` together, from now on: limits that were others go on from what was counted."""
        levels = []
        for spec in specs:
            level = self._levels.get(spec.key)
            if level is None or level.spec != spec:
                before, level = level, _new(spec)
                if before is not None and type(before) is type(level):
                    level.follow(before)
                level.most = self._most
                self._levels[spec.key] = level
            levels.append(level)
        return MemoryPlan(self, levels, ipv6_prefix)

    def keep(self, specs: Sequence[LimitSpec]) -> None:
        """What was counted of these stays when what is bound now comes into force."""
        self._used.update(spec.key for spec in specs)

    def _level(self, spec: LimitSpec) -> Any:
        self._used.add(spec.key)
        # Never by truth: a table that has counted nobody yet is false.
        level = self._new.get(spec.key, self._levels.get(spec.key))
        if level is None or level.spec != spec:
            level = self._new[spec.key] = _new(spec)
        return level

    def forget_used(self) -> None:
        """Another configuration is bound from here."""
        self._used.clear()
        self._new.clear()

    async def start(self) -> None:
        """There is nobody to connect to."""

    async def close(self) -> None:
        """There is nobody to leave."""

    def settle_in(self, most: int = MOST) -> None:
        """What was bound last is in force: limits that changed go on from what was counted, others are forgotten.

        `most`: callers that each limit remembers from here.
        """
        for key, level in self._new.items():
            before = self._levels.get(key)
            if before is not None and type(before) is type(level):
                level.follow(before)
        self._levels |= self._new
        self._levels = {key: level for key, level in self._levels.items() if key in self._used}
        self._most = most
        for level in self._levels.values():
            level.most = most
        self._new.clear()

    def clear(self) -> None:
        """Forget all that was counted."""
        for level in self._levels.values():
            level.clear()

    def sweep(self) -> None:
        """Free what nobody needs any more, some at a time. To be called ten times a second."""
        left = SWEPT_AT_ONCE
        for level in self._levels.values():
            left -= level.sweep(left)

    async def known(self, who: str) -> list[Known]:
        """The limits of which `who` has used something. Nothing is changed by it."""
        now = self.now_us()
        found = []
        own = [level for level in self._levels.values() if level.known(who) is not None]
        for apart in (level.apart(who) for level in own):
            wait, spec = apart.look(who, now), apart.spec
            if (left := apart.left()) < spec.requests:
                known = (spec.key, spec.name, spec.kind, spec.requests, spec.window_us)
                found.append(Known(*known, left=left, wait_us=wait))
        return sorted(found, key=lambda one: one.key)

    async def forget(self, who: str) -> int:
        """Give `who` all permits back, of all limits. How many limits knew them."""
        return sum(level.forget(who) for level in self._levels.values())


def _new(spec: LimitSpec) -> Any:
    kind = Shared if spec.kind == "hard" and not spec.by else KINDS[spec.kind]
    return kind(spec)


class MemoryPlan:
    """The limits of one route: the caller's own first, so that who is refused costs the others nothing."""

    __slots__ = (
        "_address", "_clock", "_epoch_us", "_everybody", "_fields", "_others", "_own", "_refusals", "_shared", "tells",
    )  # fmt: skip

    def __init__(self, store: MemoryStore, levels: Sequence[Any], ipv6_prefix: int) -> None:
        self._clock = store.clock
        self._epoch_us = store.epoch_us
        self._address = partial(by_principal, ipv6_prefix)
        # None names the caller itself, whose name is at hand.
        self._own = tuple((level, who_by(level.spec.by, ipv6_prefix)) for level in levels if level.spec.by)
        everybody = [level for level in levels if not level.spec.by]
        self._shared = tuple(level for level in everybody if type(level) is Shared)
        self._others = tuple(level for level in everybody if type(level) is not Shared)
        self._everybody = (*self._shared, *self._others)
        self.tells = bool(self._own)
        fields = Fields([level.spec for level, _ in self._own])
        self._fields = {level: fields.of(level.spec) for level, _ in self._own}
        self._refusals = {level: Refusal(level.spec) for level in levels}

    def check(self, exchange: Exchange) -> Reply | None:
        """Take a permit of each limit, or of none; the Reply where one refuses."""
        now = self._clock() // 1000 + self._epoch_us
        address = exchange.sender.who or self._address(exchange)
        tightest: Any = None
        least = 0
        for level, who in self._own:
            left = level.enter(address if who is None else who(exchange) or address, now)
            if left < 0:
                return self._refused(exchange, address, now, level, -left)
            if tightest is None or left < least:
                tightest, least = level, left
        for level in self._shared:
            if now < level.end and level.total < level.requests:
                level.here += 1
                level.total += 1
            elif (left := level.enter("", now)) < 0:
                return self._refused(exchange, address, now, level, -left)
        for level in self._others:
            left = level.enter("", now)
            if left < 0:
                return self._refused(exchange, address, now, level, -left)
        if tightest is not None:
            # As `filled` does, which would be another call.
            renews = tightest.renews(now)
            exchange.limits = self._fields[tightest] % (
                least, -(-(now + renews) // SECOND_US), least, -(-renews // SECOND_US),
            )  # fmt: skip
        return None

    def used_up(self, exchange: Exchange) -> Reply | None:
        """As Plan's: of the caller's own limits."""
        now = self._clock() // 1000 + self._epoch_us
        address = exchange.sender.who or self._address(exchange)
        for level, who in self._own:
            wait = level.look(address if who is None else who(exchange) or address, now)
            if wait:
                exchange.limits = filled(self._fields[level], 0, now, wait)
                return self._refusals[level].reply(exchange, wait)
        return None

    def _refused(self, exchange: Exchange, address: str, now: int, refusing: Any, wait_us: int) -> Reply:
        """Give back what was taken before `refusing` said no; told is the limit that refuses for longest."""
        entered = True
        tightest: Any = None
        longest, least = refusing, 0
        for level, who in self._own:
            if level is refusing:
                entered = False
                continue
            if entered:
                level.leave()
            wait = level.look(address if who is None else who(exchange) or address, now)
            left = level.left()
            if wait > wait_us:
                longest, wait_us = level, wait
            if tightest is None or left < least:
                tightest, least = level, left
        for level in self._everybody:
            if level is refusing:
                entered = False
                continue
            if entered:
                level.leave()
            elif type(level) is Shared and now < level.end and level.total < level.requests:
                # A flood of those refused must be cheap.
                continue
            wait = level.look("", now)
            if wait > wait_us:
                longest, wait_us = level, wait
        if longest in self._fields:
            # Told with a refusal is the limit that refuses, so that to wait for it is enough.
            exchange.limits = filled(self._fields[longest], 0, now, wait_us)
        elif tightest is not None:
            exchange.limits = filled(self._fields[tightest], least, now, tightest.renews(now))
        return self._refusals[longest].reply(exchange, wait_us)
