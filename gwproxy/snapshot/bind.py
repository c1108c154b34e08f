"""Snapshot × what lives on: each compiled route gets the callables that serve it."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from gwproxy.auth.records import TenantRecord
from gwproxy.deadlines import Wheel
from gwproxy.drive import Waiter
from gwproxy.egress.balance.round_robin import RoundRobin
from gwproxy.egress.pool import Pool
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.replies import fixed
from gwproxy.snapshot.callers import Inquire, KeySources, Plans, Provers, Store
from gwproxy.snapshot.entrance import Entrance, Match, Preflights, Shared, has_preflights
from gwproxy.snapshot.order import Check, Finish, Means, checks_of, finishers_of
from gwproxy.snapshot.types import CompiledRoute, FixedReply, ServiceSpec, Snapshot
from gwproxy.snapshot.versions import versioned
from gwproxy.state.records import Lookup, RecordsSpec
from gwproxy.steps.forward import Forward
from gwproxy.steps.forward_with import Edit, ForwardWith
from gwproxy.steps.version import Clock, VersionTold

if TYPE_CHECKING:
    from gwproxy.auth.forward import Ask

SLICE = 500
"""Routes bound between two yields."""

Responder = Callable[[Exchange], Reply | Waiter | Coroutine[Any, Any, Any]]
"""The reply itself, or what must be waited for; `Conclude` makes a reply of what that gives."""

Conclude = Callable[[Exchange, Any], Reply]


class Pools(KeySources, Protocol):
    """What lives on, as far as binding needs it. `draining`: the gateway ends."""

    wheel: Wheel
    draining: bool

    @property
    def limits(self) -> Store:
        """Where limits are counted."""

    def pools(self, service: ServiceSpec) -> Sequence[tuple[Pool, int]]:
        """The pools of a service's targets with their weights: those there are, and new ones for new targets."""

    def tenant_records(self, spec: RecordsSpec) -> Lookup[TenantRecord]:
        """Where tenants are looked up, and kept over reloads."""


class BoundRoute:
    """A route that can be served. `template` is its path as written, for the record; `logged` and `secrets` are as in
    CompiledRoute.
    """

    __slots__ = ("checks", "conclude", "finishers", "logged", "respond", "secrets", "template")

    def __init__(
        self,
        route: CompiledRoute,
        checks: tuple[Check, ...],
        finishers: tuple[Finish, ...],
        respond: Responder,
        conclude: Conclude,
    ) -> None:
        self.template = route.template
        self.logged = route.logged
        self.secrets = route.secrets
        self.checks = checks
        self.respond = respond
        self.conclude = conclude
        self.finishers = finishers


class Bound:
    """A snapshot that can be served. `match` gives the route of a request, whose index is its place in `routes`."""

    __slots__ = ("match", "routes", "snapshot")

    def __init__(self, snapshot: Snapshot, routes: list[BoundRoute], match: Match) -> None:
        self.snapshot = snapshot
        self.routes = routes
        self.match = match


def bind(snapshot: Snapshot, live: Pools, clock: Clock = time.time) -> Generator[None, None, Bound]:
    """Connect every route of `snapshot` to its pools, in slices of a few milliseconds; Bound is the return value.

    `clock` is the calendar's: seconds since 1970.
    """
    balances = _balances(snapshot.services, live)
    own = snapshot.tenancy.own if snapshot.tenancy is not None else {}
    of_tenants = {service: _balances(specs, live) for service, specs in own.items()}
    routes: list[BoundRoute] = []
    shared = Shared()
    plans = Plans(live.limits, snapshot.ipv6_prefix)
    tenants = snapshot.tenancy.tenants if snapshot.tenancy is not None else {}
    inquire = _inquiries(snapshot, balances)
    provers = Provers(snapshot.auth, live, plans.of(snapshot.failures), inquire, snapshot.forged)
    stored = snapshot.tenancy.stored(live.tenant_records) if snapshot.tenancy is not None else None
    for route in snapshot.routes:
        callers = {(tier, plan): plans.of(specs) for tier, plan, specs in route.caller_limits}
        door = yield from shared.door(route)
        means = Means(
            live, plans.of(route.limits), callers, provers.of(route), door, shared.policy(route), clock, tenants,
            stored,
        )
        checks, finishers = checks_of(route, means), finishers_of(route, means)
        responder = _responder(route, snapshot, balances, of_tenants, live)
        routes.append(BoundRoute(route, checks, finishers, *responder))
        if len(routes) % SLICE == 0:
            yield
    match = yield from _entrance(snapshot, shared, routes, live)
    return Bound(snapshot, routes, match)


def _inquiries(snapshot: Snapshot, balances: dict[str, RoundRobin[Pool]]) -> Inquire:
    """What asks the services that judge who is calling."""

    def inquire(asked: str, path: bytes, timeout_s: float) -> Ask:
        from gwproxy.steps.inquiry import Inquiry

        return Inquiry(balances[asked], path, timeout_s, snapshot.services[asked].own)

    return inquire


def _entrance(
    snapshot: Snapshot, shared: Shared, routes: list[BoundRoute], live: Pools
) -> Generator[None, None, Match]:
    """The router's `match`, or that of an Entrance whose hidden routes go behind the others."""
    nowhere = snapshot.nowhere
    match = versioned(snapshot.router.match, snapshot.versions)
    hidden: dict[int, CompiledRoute] = {}
    entrance = Entrance(Preflights(snapshot.router, snapshot.versions), match, hidden, nowhere)
    if nowhere is not None:
        door = yield from shared.door(nowhere)
        means = Means(live, door=door, cors=shared.policy(nowhere))
        checks, finishers = checks_of(nowhere, means), finishers_of(nowhere, means)
        routes.append(BoundRoute(nowhere, checks, finishers, entrance.refuse, _concluded))
    for route in snapshot.routes:
        policy = shared.policy(route)
        if policy is not None and has_preflights(route):
            door = yield from shared.door(route)
            hidden[route.index] = replace(route, index=len(routes))
            checks, finishers = ((door.check,), (policy.finish_refusal,)) if door is not None else ((), ())
            routes.append(BoundRoute(route, checks, finishers, policy.respond, _concluded))
            if len(routes) % SLICE == 0:
                yield
    return entrance.match if hidden or nowhere is not None else match


Balances = dict[str, RoundRobin[Pool]]


def _balances(specs: Mapping[str, ServiceSpec], live: Pools) -> Balances:
    return {name: RoundRobin(live.pools(spec)) for name, spec in specs.items()}


def _responder(
    route: CompiledRoute, snapshot: Snapshot, balances: Balances, of_tenants: Mapping[str, Balances], live: Pools
) -> tuple[Responder, Conclude]:
    if route.fixed is not None:
        return _fixed(route.fixed), _concluded
    if route.aggregation or route.times is None:
        return _not_implemented, _concluded
    own = snapshot.services[route.service].own
    edits: tuple[Edit, ...] = () if route.version is None else (VersionTold(route.version).add,)
    edits += () if own is None else (own.add,)
    make = partial(ForwardWith, edits) if edits else Forward
    forward = make(
        route.service, balances[route.service], route.times, route.make_path, live.wheel,
        preserve_host=route.preserve_host, max_body=route.max_body,
        of_tenants=of_tenants.get(route.service) if route.tenant is not None else None,
    )  # fmt: skip
    return forward.respond, forward.conclude


def _concluded(exchange: Exchange, value: Any) -> Reply:
    raise TypeError(f"not a reply: {value!r}")


def _fixed(reply: FixedReply) -> Responder:
    lines = b"".join(b"%b: %b\r\n" % field for field in reply.fields)

    def respond(exchange: Exchange) -> Reply:
        return fixed(reply.status, lines, reply.body)

    return respond


def _not_implemented(exchange: Exchange) -> Reply:
    raise GatewayError(
        "not_implemented", "Aggregations are not in force yet", blame=Blame.GATEWAY, phase=Phase.POLICY
    )  # fmt: skip
