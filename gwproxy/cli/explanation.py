"""One request through the receiver, the router and the checks of the data path, with nothing sent anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from gwproxy.cli.answerer import answerer, auth_of, written
from gwproxy.cli.contenders import hints, lost, where
from gwproxy.cli.for_caller import (
    Offline,
    limits_met,
    prover_of,
    service_for,
    settled,
    tenant_of,
    who_of,
)
from gwproxy.cli.for_cors import leave, lets_in, preflight_of, who_is_let_in, who_may_read
from gwproxy.cli.for_refusal import why_refused
from gwproxy.cli.for_route import not_in_force_for
from gwproxy.cli.told import by_name
from gwproxy.cli.versions import said
from gwproxy.config.loaded import Loaded
from gwproxy.config.units import Duration, Size
from gwproxy.deadlines import NEVER
from gwproxy.egress.request import Times
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.spec import EVERYBODY, LimitSpec
from gwproxy.snapshot.entrance import has_preflights
from gwproxy.snapshot.order import Means, Up, checks_of
from gwproxy.snapshot.types import CompiledRoute, ServiceSpec, Snapshot, TargetSpec
from gwproxy.snapshot.versions import versioned
from gwproxy.steps.addresses import denied, door_of
from gwproxy.steps.protect import too_large
from gwproxy.wire.receiver import Receiver


@dataclass(kw_only=True)
class Explanation:
    """What becomes of a request. `status` is 0 where a service decides it; `why` is empty where nothing is refused.

    `fields` are those of a refusal, or of the answer to a preflight: of each name all that are sent, in their order.
    """

    verdict: str
    status: int = 0
    code: str = ""
    why: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    params: dict[str, str] = field(default_factory=dict)
    who: str = "anonymous"
    tenant: str = ""
    cors: str = ""
    addresses: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    asks: list[str] = field(default_factory=list)
    timeouts: dict[str, str] = field(default_factory=dict)
    max_body: str = ""
    lost: list[str] = field(default_factory=list)
    not_in_force: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def explanation(loaded: Loaded, snapshot: Snapshot, raw: bytes, address: str = "") -> Explanation:
    """Explain the request whose head is `raw`. Address rules are told, and judge where there is an `address`."""
    try:
        head = Receiver(int(snapshot.gateway.max_request_head)).head(raw)
        if head is None:
            raise GatewayError("bad_request", "Malformed request head")
    except GatewayError as error:
        return refusal(error, "the gateway answers before it looks for a route")
    exchange = Exchange(head, Sender(address, b"http", head.authority), 0.0)
    try:
        asked = preflight_of(snapshot, exchange)
        match = versioned(snapshot.router.match, snapshot.versions)
        matched = asked or match(head.host, exchange.method, exchange.path, head.fields)
    except GatewayError as error:
        if address and not lets_in(snapshot.nowhere, address):
            return refusal(denied(), f"addresses lets {address} in nowhere")
        told = refusal(error, " ".join(hints(loaded, snapshot, exchange, error)))
        told.lost = lost(loaded, snapshot, exchange, None)
        return told
    route, exchange.raw = matched
    exchange.route = route
    if asked is not None and has_preflights(route) and (not address or lets_in(route, address)):
        return _of_preflight(loaded, exchange, route)
    return _of_route(loaded, snapshot, exchange, route)


def refusal(error: GatewayError, why: str) -> Explanation:
    """What the gateway itself answers to a failure."""
    fields = by_name((name.decode(), value.decode()) for name, value in error.fields)
    return Explanation(
        verdict=f"{error.status} {error.code}: {error.detail}", status=error.status, code=error.code, why=why,
        fields=fields,
    )  # fmt: skip


def _of_preflight(loaded: Loaded, exchange: Exchange, route: CompiledRoute) -> Explanation:
    told = Explanation(**leave(loaded, exchange, route))
    told.route = where(loaded, route)
    told.params = _params(exchange, route)
    return told


def _of_route(loaded: Loaded, snapshot: Snapshot, exchange: Exchange, route: CompiledRoute) -> Explanation:
    as_written = written(loaded, route)
    answer = answerer(as_written)
    try:
        unknown = _pass_checks(snapshot, exchange, route)
        told = Explanation(verdict=_verdict(answer), status=answer.get("status", 0), why=unknown)
    except GatewayError as error:
        told = refusal(error, why_refused(loaded, exchange, route, error, auth_of(as_written)))
    told.route = where(loaded, route)
    told.version = said(route, exchange)
    told.params = _params(exchange, route)
    told.answer = answer
    told.max_body = str(Size(route.max_body))
    told.lost = lost(loaded, snapshot, exchange, route)
    told.cors = who_may_read(loaded, exchange, route)
    told.addresses = list(who_is_let_in(loaded, route))
    told.who = who_of(exchange, snapshot, route)
    told.tenant = tenant_of(exchange)
    told.limits = [_limit(spec) for spec in limits_met(exchange, route)]
    told.not_in_force = [str(notice) for notice in not_in_force_for(loaded.config, route)]
    if route.service and route.times is not None:
        told.asks = list(_asks(exchange, route, service_for(snapshot, exchange, route)))
        told.timeouts = _timeouts(route.times)
    return told


def _pass_checks(snapshot: Snapshot, exchange: Exchange, route: CompiledRoute) -> str:
    """Raise what the route's own checks, or its responder, would. What of it cannot be told here, else nothing."""
    door = door_of(route.addresses) if exchange.sender.address else None
    tenants = snapshot.tenancy.tenants if snapshot.tenancy is not None else {}
    stored = snapshot.tenancy.stored(Offline().tenant_records) if snapshot.tenancy is not None else None
    prover = prover_of(snapshot, route)
    means = Means(Up(), door=door, authenticate=prover, tenants=tenants, stored=stored)
    for check in checks_of(route, means):
        unknown = settled(check(exchange), check)
        if unknown:
            return unknown
    if exchange.head.length > route.max_body:
        raise too_large(route.max_body)
    if route.aggregation:
        raise GatewayError(
            "not_implemented", "Aggregations are not in force yet", blame=Blame.GATEWAY, phase=Phase.POLICY
        )
    return ""


def _limit(spec: LimitSpec) -> str:
    """One limit, with whom it counts and where."""
    if spec.kind in ("day", "month"):
        much = f"{spec.requests} a {spec.kind} (UTC)"
    elif spec.kind == "bucket":
        much = f"{spec.requests} at once, filled in {Duration(spec.window_us / 1e6)}"
    else:
        much = f"{spec.requests} in {Duration(spec.window_us / 1e6)}, {spec.kind}"
    whose = {EVERYBODY: "everybody together", "principal": "each caller, by address while anonymous"}
    return f"{spec.name}: {much}; {whose.get(spec.by, f'each {spec.by}')}; key {spec.key}"


def _verdict(answer: dict[str, Any]) -> str:
    if answer["kind"] == "service":
        return f"forwarded to the service {answer['service']}"
    return f"{answer['status']} by the gateway itself"


def _params(exchange: Exchange, route: CompiledRoute) -> dict[str, str]:
    """Raw spans, as the service will get them."""
    raw = exchange.raw
    spans = {n: b"/".join(raw[at:]) if n == "*" else raw[at] for n, at in route.names.items()}
    return {name: span.decode("utf-8", "backslashreplace") for name, span in spans.items()}


def _asks(exchange: Exchange, route: CompiledRoute, service: ServiceSpec) -> Iterator[str]:
    path = route.make_path(exchange.path, exchange.raw) + exchange.query
    method = exchange.method.decode()
    host = exchange.head.authority.decode() if route.preserve_host else ""
    own = f" with the gateway's own {service.own.name.decode()}" if service.own is not None else ""
    for target in service.targets:
        shown = f" (Host: {host})" if host else ""
        share = f" (weight {target.weight})" if len(service.targets) > 1 else ""
        yield f"{method} {_url(target, path)}{shown}{share}{own}"


def _url(target: TargetSpec, path: bytes) -> str:
    whole = (target.prefix + path).decode("utf-8", "backslashreplace")
    if target.unix:
        return f"http+unix://{target.unix} {whole}"
    return f"{'https' if target.tls else 'http'}://{target.authority.decode()}{whole}"


def _timeouts(times: Times) -> dict[str, str]:
    spans = {
        "connect": times.connect_s,
        "answer": times.timeout_s,
        "idle": times.idle_s,
        "total": times.total_s,
    }
    return {name: "none" if span == NEVER else str(Duration(span)) for name, span in spans.items()}
