"""Snapshot × what lives on: each compiled route gets the callables that serve it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Protocol

from gwproxy.deadlines import Wheel
from gwproxy.drive import Waiter
from gwproxy.egress.balance.round_robin import RoundRobin
from gwproxy.egress.pool import Pool
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.replies import fixed
from gwproxy.snapshot.callers import KeySources, Plans, Provers, Store
from gwproxy.snapshot.order import Check, Finish, Means, checks_of, finishers_of
from gwproxy.snapshot.types import CompiledRoute, FixedReply, ServiceSpec, Snapshot
from gwproxy.steps.forward import Forward

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
    """A snapshot that can be served."""

    __slots__ = ("match", "routes", "snapshot")

    def __init__(self, snapshot: Snapshot, routes: list[BoundRoute]) -> None:
        self.snapshot = snapshot
        self.routes = routes
        self.match = snapshot.router.match


def bind(snapshot: Snapshot, live: Pools) -> Generator[None, None, Bound]:
    """Connect every route of `snapshot` to its pools, in slices of a few milliseconds; Bound is the return value."""
    balances = {name: RoundRobin(live.pools(spec)) for name, spec in snapshot.services.items()}
    routes = []
    plans = Plans(live.limits, snapshot.ipv6_prefix)
    provers = Provers(snapshot.auth, live, plans.of(snapshot.failures))
    for route in snapshot.routes:
        tiers = {tier: plans.of(specs) for tier, specs in route.tier_limits}
        means = Means(live, plans.of(route.limits), tiers, provers.of(route))
        checks, finishers = checks_of(route, means), finishers_of(route, means)
        routes.append(BoundRoute(route, checks, finishers, *_responder(route, balances, live)))
        if len(routes) % SLICE == 0:
            yield
    return Bound(snapshot, routes)


def _responder(
    route: CompiledRoute, balances: dict[str, RoundRobin[Pool]], live: Pools
) -> tuple[Responder, Conclude]:
    if route.fixed is not None:
        return _fixed(route.fixed), _concluded
    if route.aggregation or route.times is None:
        return _not_implemented, _concluded
    forward = Forward(
        route.service, balances[route.service], route.times, route.make_path, live.wheel,
        preserve_host=route.preserve_host, max_body=route.max_body,
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
