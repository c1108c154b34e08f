"""One limit of which permits are taken in advance, or which is in another place than its caller's."""

from __future__ import annotations

from typing import Protocol

from gwproxy.exchange import Exchange
from gwproxy.limits.caller import who_by
from gwproxy.limits.decision import Refusal
from gwproxy.limits.places import around, held, lease_of, place_of, word_of
from gwproxy.limits.redis_plan import Store, most_of
from gwproxy.limits.server import Server
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import Fields


class LeaseStore(Store, Protocol):
    """The store, as these plans need it."""

    timeout_s: float

    def server_for(self, key: str) -> Server:
        """Who has a key."""


class Level:
    """One limit. `place`: limits of one place are decided together, and "" is the caller's own.

    `lease`: the most permits to take in advance, 0 where it is asked each time; `begin` how many at first.
    """

    __slots__ = (
        "begin", "fields", "lease", "most", "place", "prefix", "refusal", "renews_end", "spec", "start", "tail", "who",
    )  # fmt: skip

    def __init__(self, spec: LimitSpec, store: LeaseStore, fields: Fields, ipv6_prefix: int) -> None:
        self.who = who_by(spec.by, ipv6_prefix)
        self.place = place_of(spec, store)
        self.lease = lease_of(spec, store)
        self.begin = spec.lease or 1
        self.spec = held(spec, store)
        self.prefix, self.tail = around(self.spec, store)
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
