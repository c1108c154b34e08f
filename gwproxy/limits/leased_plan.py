"""The limits of one route where some permits are taken in advance, or where limits are in several places.

A request needs a permit of every limit. Those of limits with a lease come from it; where it is empty it is filled
first, each in its own place. Then the caller's own place is asked, where all that has no lease is decided at once.
If any refuses, what was taken of leases goes back to them: nothing is spent by who is refused. Nothing is taken back
from a store: what it has counted counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.alone import Alone
from gwproxy.limits.asking import Asking, Found
from gwproxy.limits.caller import by_principal
from gwproxy.limits.lease import Leases
from gwproxy.limits.leased_level import LeaseStore, Level
from gwproxy.limits.refused import Refused
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import Fields, filled

LOOKED_US: Final = 1_000_000
MOST_LOOKED: Final = 10_000


class LeasedPlan:
    """The limits of one route."""

    __slots__ = (
        "_address", "_asked", "_leased", "_looked", "_told", "_unknown", "alone", "leases", "levels", "refused",
        "store", "tells",
    )  # fmt: skip

    def __init__(
        self, store: LeaseStore, specs: Sequence[LimitSpec], ipv6_prefix: int, refused: Refused, leases: Leases
    ) -> None:
        self.store = store
        self.refused = refused
        self.leases = leases
        self.alone = Alone(store, specs, ipv6_prefix)
        self._address = partial(by_principal, ipv6_prefix)
        fields = Fields(specs)
        self.levels = [Level(spec, store, fields, ipv6_prefix) for spec in specs]
        self.tells = any(spec.told for spec in specs)
        self._leased = [at for at, level in enumerate(self.levels) if level.lease]
        self._asked = [at for at, level in enumerate(self.levels) if not level.lease]
        self._told = [at for at, level in enumerate(self.levels) if level.fields]
        # Told, and not known by a lease.
        self._unknown = [at for at in self._told if not self.levels[at].lease]
        self._looked: dict[tuple[str, ...], tuple[int, bytes]] = {}

    def check(self, exchange: Exchange) -> Reply | Asking | None:
        """As RedisPlan's."""
        address = exchange.sender.who or self._address(exchange)
        keys = [level.key(exchange, address) for level in self.levels]
        store = self.store
        now = store.local.now_us()
        if len(self.refused):
            refusing, wait = self._known(keys, now)
            if wait and (self.levels[refusing].fields or not self._unknown):
                return self.refusal(exchange, keys, {}, refusing, wait, now)
            if wait:
                until, fields = self._looked.get(self._own(keys), (0, b""))
                if now < until:
                    exchange.limits = fields
                    return self.levels[refusing].refusal.reply(exchange, wait)
                asking = Asking(self, exchange, keys, [])
                asking.look(refusing, wait, self._unknown)
                return asking
        held, empty = [], []
        for at in self._leased:
            lease = self.leases.get(keys[at])
            until = lease.spend(now) if lease is not None else 0
            if lease is not None and until:
                held.append((lease, until))
            else:
                empty.append(at)
        if not empty and not self._asked:
            self.tell(exchange, keys, {}, now, now)
            return None
        asking = Asking(self, exchange, keys, held)
        asking.begin(empty, self._asked)
        return asking

    def looked(self, keys: list[str], fields: bytes) -> None:
        """What a caller was told who is refused by everybody's limit: it may be told the same for a moment."""
        if len(self._looked) >= MOST_LOOKED:
            self._looked.clear()
        self._looked[self._own(keys)] = self.store.local.now_us() + LOOKED_US, fields

    def _own(self, keys: list[str]) -> tuple[str, ...]:
        """Who is told: the same only for whom every limit that is told of counts as the same."""
        return tuple(keys[at] for at in self._told)

    def used_up(self, exchange: Exchange) -> Reply | None:
        """As RedisPlan's."""
        address = exchange.sender.who or self._address(exchange)
        keys = [level.key(exchange, address) for level in self.levels]
        now = self.store.local.now_us()
        refusing, wait = self._known(keys, now)
        return self.refusal(exchange, keys, {}, refusing, wait, now) if wait else self.alone.used_up(exchange)

    def _known(self, keys: list[str], now: int) -> tuple[int, int]:
        """Which limit is known to refuse for longest, and how long it does; 0 where none is."""
        waits = [self.refused.wait(key, now) for key in keys]
        longest = max(waits)
        return waits.index(longest), longest

    def refusal(
        self, exchange: Exchange, keys: list[str], found: Found, refusing: int, wait: int, now: int
    ) -> Reply:
        """What a caller is told whom the limit `refusing` refuses."""
        level = self.levels[refusing]
        if level.fields:
            exchange.limits = filled(level.fields, 0, now, wait)
        else:
            self.tell(exchange, keys, found, now, self.store.local.now_us())
        return level.refusal.reply(exchange, wait)

    def tell(self, exchange: Exchange, keys: list[str], found: Found, now: int, here: int) -> None:
        """Tell the tightest of the caller's own limits: as just `found`, else as its lease knows. `now` is the store's
        time, `here` this process's.
        """
        tightest: tuple[int, int, bytes] | None = None
        for at, level in enumerate(self.levels):
            if not level.fields:
                continue
            if at in found and not level.lease:
                left, renews = found[at]
                if not left and renews:
                    # The last permit: another route may refuse for a limit that it has too.
                    self.refused.add(keys[at], here + renews)
            else:
                lease = self.leases.get(keys[at])
                if lease is None:
                    continue
                left, renews = lease.left + lease.rest, max(lease.renews_at - here, 0)
            if tightest is None or left < tightest[0]:
                tightest = (left, renews, level.fields)
        if tightest is not None:
            left, renews, fields = tightest
            exchange.limits = filled(fields, left, now, renews)
