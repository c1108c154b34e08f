"""The limits of one route where some permits are taken in advance, or where limits are in several places.

A request needs a permit of every limit. Those of limits with a lease come from it; where it is empty it is filled
first, each in its own place. Then the caller's own place is asked, where all that has no lease is decided at once.
If any refuses, what was taken of leases goes back to them: nothing is spent by who is refused. Nothing is taken back
from a store: what it has counted counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.alone import Alone
from gwproxy.limits.caller import by_address, who_by
from gwproxy.limits.decision import Refusal
from gwproxy.limits.lease import MOST_AT_ONCE, Lease, Leases
from gwproxy.limits.redis_plan import Store, around, most_of, word_of
from gwproxy.limits.server import Server
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import Fields, filled


class Spread(Store, Protocol):
    """The store, as these plans need it."""

    leases: Leases

    def server_for(self, key: str) -> Server:
        """Who has a key."""


class Level:
    """One limit. `place`: limits of one place are decided together, and "" is the caller's own.

    `lease`: the most permits to take in advance, 0 where it is asked each time; `begin` how many at first.
    """

    __slots__ = (
        "begin", "fields", "lease", "most", "place", "prefix", "refusal", "renews_end", "spec", "start", "tail", "who",
    )  # fmt: skip

    def __init__(self, spec: LimitSpec, store: Spread, fields: Fields) -> None:
        self.who = who_by(spec.by)
        self.place = "" if not store.spread or spec.by in ("principal", "address") else spec.by or spec.key
        # A limit in another place than the caller's has a lease in any case: it cannot be decided together.
        self.lease = spec.lease or (0 if not self.place else 1 if spec.by else MOST_AT_ONCE)
        if spec.requests == 1 and not self.place:
            self.lease = 0
        self.begin = spec.lease or 1
        self.spec = spec.leased() if self.lease else spec
        self.prefix, self.tail = around(store, spec)
        self.start = word_of(self.spec)[:-1]
        self.most = most_of([self.spec])
        self.fields = fields.of(spec) if spec.told else b""
        self.refusal = Refusal(spec)
        self.renews_end = spec.kind in ("day", "month")

    def key(self, exchange: Exchange, address: str) -> str:
        """What counts this caller."""
        if not self.spec.by:
            return self.prefix
        return self.prefix + (address if self.who is None else self.who(exchange) or address) + self.tail


class LeasedPlan:
    """The limits of one route."""

    __slots__ = ("_address", "_asked", "_leased", "alone", "levels", "store", "tells")

    def __init__(self, store: Spread, specs: Sequence[LimitSpec], ipv6_prefix: int) -> None:
        self.store = store
        self.alone = Alone(store, specs, ipv6_prefix)
        self._address = partial(by_address, ipv6_prefix)
        fields = Fields(specs)
        self.levels = [Level(spec, store, fields) for spec in specs]
        self.tells = any(spec.told for spec in specs)
        self._leased = [at for at, level in enumerate(self.levels) if level.lease]
        self._asked = [at for at, level in enumerate(self.levels) if not level.lease]

    def check(self, exchange: Exchange) -> Reply | Asking | None:
        """As RedisPlan's."""
        address = exchange.sender.who or self._address(exchange)
        keys = [level.key(exchange, address) for level in self.levels]
        store = self.store
        now = store.local.now_us()
        if len(store.refused):
            again = self._refuse_again(exchange, keys, now)
            if again is not None:
                return again
        held, empty = [], []
        for at in self._leased:
            lease = store.leases.get(keys[at])
            if lease is not None and lease.spend(now):
                held.append(lease)
            else:
                empty.append(at)
        if not empty and not self._asked:
            self.tell(exchange, keys, {}, now, now)
            return None
        asking = Asking(self, exchange, keys, held)
        asking.begin(empty, self._asked)
        return asking

    def used_up(self, exchange: Exchange) -> Reply | None:
        """As RedisPlan's."""
        address = exchange.sender.who or self._address(exchange)
        keys = [level.key(exchange, address) for level in self.levels]
        return self._refuse_again(exchange, keys, self.store.local.now_us())

    def _refuse_again(self, exchange: Exchange, keys: list[str], now: int) -> Reply | None:
        for level, key in zip(self.levels, keys, strict=True):
            wait = self.store.refused.wait(key, now)
            if wait:
                return self.refusal(exchange, level, wait, now)
        return None

    def refusal(self, exchange: Exchange, level: Level, wait: int, now: int) -> Reply:
        """What a caller is told whom `level` refuses."""
        if level.fields:
            exchange.limits = filled(level.fields, 0, now, wait)
        return level.refusal.reply(exchange, wait)

    def tell(
        self, exchange: Exchange, keys: list[str], found: dict[int, tuple[int, int]], now: int, here: int
    ) -> None:
        """Tell the tightest of the caller's own limits: as just `found`, else as its lease knows. `now` is the store's
        time, `here` this process's.
        """
        tightest: tuple[int, int, bytes] | None = None
        for at, level in enumerate(self.levels):
            if not level.fields:
                continue
            if at in found and not level.lease:
                left, renews = found[at]
            else:
                lease = self.store.leases.get(keys[at])
                if lease is None:
                    continue
                left, renews = lease.left + lease.rest, max(lease.renews_at - here, 0)
            if tightest is None or left < tightest[0]:
                tightest = (left, renews, level.fields)
        if tightest is not None:
            left, renews, fields = tightest
            exchange.limits = filled(fields, left, now, renews)


class Asking(Waiter):
    """One request's way through the places of its limits. Set when all is decided, or nothing can be."""

    __slots__ = (
        "_began", "_exchange", "_found", "_held", "_keys", "_last", "_now", "_open", "_plan", "_refusing", "_why",
    )  # fmt: skip

    def __init__(self, plan: LeasedPlan, exchange: Exchange, keys: list[str], held: list[Lease]) -> None:
        super().__init__()
        self._plan = plan
        self._exchange = exchange
        self._keys = keys
        self._held = held
        self._began = 0
        self._found: dict[int, tuple[int, int]] = {}
        self._last: list[int] = []
        self._now = 0
        self._refusing: tuple[int, Level] | None = None
        self._open = 0
        self._why = ""

    def begin(self, empty: list[int], asked: list[int]) -> None:
        """Fill leases that are elsewhere, and then ask the caller's own place for all the rest."""
        levels = self._plan.levels
        self._last = sorted([*asked, *(at for at in empty if not levels[at].place)])
        by_place: dict[str, list[int]] = {}
        for at in empty:
            if levels[at].place:
                by_place.setdefault(levels[at].place, []).append(at)
        if by_place:
            self._ask(list(by_place.values()))
        else:
            self._ask_last()

    def _ask_last(self) -> None:
        last, self._last = self._last, []
        self._ask([last])

    def _ask(self, places: list[list[int]]) -> None:
        plan = self._plan
        self._began = plan.store.local.now_us()
        self._open = len(places)
        for place in places:
            part = Part(self, place, [self._keys[at] for at in place], list(self._wanted(place)), plan.levels)
            server = plan.store.server_for(part.keys[0])
            if server.trouble:
                part.give_up(server.trouble)
            else:
                server.ask(part)

    def _wanted(self, place: list[int]) -> Iterator[int]:
        """How many permits to ask for, of each; 0 is one, without a lease."""
        for at in place:
            level = self._plan.levels[at]
            if not level.lease:
                yield 0
            else:
                lease = self._plan.store.leases.have(self._keys[at], level.begin, level.lease)
                yield lease.wanted(self._began)

    def decided(self, part: Part, now: int, refusing: int, wait: int, told: list[tuple[int, int, int]]) -> None:
        """A place has answered: `told` has what is left, when there is more, and how many permits it gave, of each."""
        plan, began = self._plan, self._began
        self._now = max(self._now, now)
        for at, (left, renews, granted), wanted in zip(part.place, told, part.wanted, strict=True):
            level = plan.levels[at]
            self._found[at] = left, renews
            if wanted:
                lease = plan.store.leases.have(self._keys[at], level.begin, level.lease)
                lease.asking = lease.asking and wanted == 1 < lease.size
                until = began + level.spec.lease_us
                if level.renews_end and renews:
                    # A permit of this period is none of the next.
                    until = min(until, began + renews)
                lease.fill(granted, until, left, began + renews, plan.store.local.now_us())
                if granted:
                    lease.left -= 1
                    self._held.append(lease)
        if refusing:
            level = plan.levels[part.place[refusing - 1]]
            plan.store.refused.add(part.keys[refusing - 1], plan.store.local.now_us() + wait)
            if self._refusing is None or wait > self._refusing[0]:
                self._refusing = wait, level
        self._one_less()

    def gave_up(self, part: Part, why: str) -> None:
        """A place gives no answer."""
        for at, wanted in zip(part.place, part.wanted, strict=True):
            if wanted:
                lease = self._plan.store.leases.get(self._keys[at])
                if lease is not None:
                    lease.asking = False
        self._why = self._why or why
        self._one_less()

    def _one_less(self) -> None:
        self._open -= 1
        if self._open:
            return
        if self._why or self._refusing is not None:
            for lease in self._held:
                lease.left += 1
            self._held.clear()
        if self._why:
            self._alone()
        elif self._refusing is not None:
            wait, level = self._refusing
            self.set(self._plan.refusal(self._exchange, level, wait, self._now))
        elif self._last:
            self._ask_last()
        else:
            here = self._plan.store.local.now_us()
            self._plan.tell(self._exchange, self._keys, self._found, self._now, here)
            self.set(None)

    def _alone(self) -> None:
        try:
            self.set(self._plan.alone.check(self._exchange, self._why))
        except GatewayError as error:
            self.fail(error)


class Part:
    """What one place is asked of one request."""

    __slots__ = ("_asking", "keys", "most", "numbers", "place", "wanted", "word")

    def __init__(
        self, asking: Asking, place: list[int], keys: list[str], wanted: list[int], levels: list[Level]
    ) -> None:
        self._asking = asking
        self.place = place
        self.keys = keys
        self.wanted = wanted
        self.word = " ".join(f"{levels[at].start}{lease}" for at, lease in zip(place, wanted, strict=True))
        self.most = max(levels[at].most for at in place)
        self.numbers = 2 + 2 * len(place) + sum(lease > 0 for lease in wanted)

    def settle(self, now: int, numbers: list[int]) -> None:
        """As the server's Check."""
        told, at = [], 2
        for lease in self.wanted:
            told.append((numbers[at], numbers[at + 1], numbers[at + 2] if lease else 0))
            at += 3 if lease else 2
        self._asking.decided(self, now, numbers[0], numbers[1], told)

    def give_up(self, why: str) -> None:
        """As the server's Check."""
        self._asking.gave_up(self, why)
