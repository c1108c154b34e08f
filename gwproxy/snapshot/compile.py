"""Config → Snapshot: everything that can be decided before a request comes, and nothing that touches the world."""

from __future__ import annotations

from collections.abc import Generator

from gwproxy.config.either import (
    RouteKey,
    addresses_of,
    all_routes,
    cors_of,
    need_of,
    redacted,
    requires_auth,
)
from gwproxy.config.load import Loaded
from gwproxy.config.schema import Aggregation, Config, Route, Service
from gwproxy.config.versions import PATH, prefix_of
from gwproxy.deadlines import NEVER
from gwproxy.egress.request import Times
from gwproxy.snapshot.access import access_of, authenticators_of
from gwproxy.snapshot.credentials import auth_of
from gwproxy.snapshot.family import Family, family_of
from gwproxy.snapshot.identity import forged_of
from gwproxy.snapshot.limits import failures_of, limits_of, limits_of_callers
from gwproxy.snapshot.methods import asked_services
from gwproxy.snapshot.own_credentials import own_header
from gwproxy.snapshot.router import Router
from gwproxy.snapshot.targets import service_of
from gwproxy.snapshot.template import PathMaker, filled, unchanged, without_prefix
from gwproxy.snapshot.tenants import tenancy_of, tenant_of_route
from gwproxy.snapshot.types import CompiledRoute, FixedReply, LimitsOfCallers, Snapshot
from gwproxy.snapshot.versions import Versions
from gwproxy.telemetry.secrets import folded, secret_names
from gwproxy.wire.pattern import parse_pattern

SLICE = 100
"""Routes compiled between two yields: a few milliseconds."""


def compile(loaded: Loaded) -> Snapshot:
    """Compile in one go what `check` has found no error in."""
    slices = compile_slices(loaded)
    while True:
        try:
            next(slices)
        except StopIteration as end:
            snapshot: Snapshot = end.value
            return snapshot


def compile_slices(loaded: Loaded) -> Generator[None, None, Snapshot]:
    """Compile in slices of a few milliseconds; the snapshot is the generator's return value."""
    config = loaded.config
    router = Router(ignore_trailing_slash=config.gateway.trailing_slash == "ignore")
    routes: list[CompiledRoute] = []
    secret = secret_names(redacted(config))
    versions = Versions(prefix_of(config.versioning), in_path=PATH in config.versioning.sources)
    due = SLICE
    for where, one in all_routes(config):
        compiled = _compiled(config, len(routes), where, one, secret, versions)
        routes += compiled.routes
        for matched in compiled.matched:
            router.add(matched)
            versions.file(matched)
        if len(routes) >= due:
            due = len(routes) + SLICE
            yield
    yield from router.finish()
    services = {
        name: service_of(name, service, own_header(loaded, name)) for name, service in config.services.items()
    }
    services |= asked_services(config.auth)
    return Snapshot(
        gateway=config.gateway, services=services, routes=tuple(routes), router=router,
        ipv6_prefix=config.limits.ipv6_prefix,
        auth=auth_of(loaded) if config.auth.methods else None, failures=failures_of(config),
        tenancy=tenancy_of(config), forged=forged_of(config),
        nowhere=_nowhere(config, len(routes)), versions=versions,
    )  # fmt: skip


def _compiled(
    config: Config, first: int, where: RouteKey, one: Route | Aggregation, secret: frozenset[str], versions: Versions
) -> Family:
    """What one route as written becomes: itself, or one for each of its versions."""
    if isinstance(one, Route) and one.versions:
        family = family_of(config.versioning, one, first, lambda route: _route(config, 0, where, route, secret))
        versions.choosers |= family.choosers
        return family
    if isinstance(one, Route):
        alone = _route(config, first, where, one, secret)
    else:
        alone = _aggregation(config, first, where, one, secret)
    return Family((alone,), (alone,), {})


def _methods(one: Route | Aggregation) -> tuple[str, ...]:
    if isinstance(one, Route) and one.methods:
        return tuple(method.upper() for method in one.methods)
    return (one.method.upper(),)


def _hosts(one: Route | Aggregation) -> tuple[str, ...]:
    return one.hosts or ((one.host,) if one.host else ("",))


def _route(
    config: Config, index: int, where: RouteKey, route: Route, secret: frozenset[str]
) -> CompiledRoute:
    pattern, names = parse_pattern(route.path)
    service = config.services.get(route.service) if route.service else None
    preserve = route.preserve_host
    limit = route.max_request_body
    return CompiledRoute(
        index=index, where=where, template=route.path, hosts=_hosts(route), methods=_methods(route), pattern=pattern,
        conditions=tuple((name.lower().encode(), value.encode()) for name, value in route.headers.items()),
        names=names,
        service=route.service or "",
        fixed=_fixed(route),
        closed=requires_auth(route),
        auth=() if where[0] == "gateway" else authenticators_of(config, route),
        forward_credentials=route.forward_credentials,
        access=access_of(config, route),
        ready_only=where == ("gateway", "readyz"),
        logged=route.access_log,
        secrets=_secrets(names, secret),
        maintenance=route.maintenance or (service is not None and service.maintenance),
        make_path=_path_maker(route, names),
        pass_slashes=route.encoded_slashes == "pass",
        preserve_host=service.preserve_host if preserve is None and service is not None else bool(preserve),
        max_body=int(config.gateway.max_request_body if limit is None else limit),
        times=_times(service, route) if service is not None else None,
        limits=() if where[0] == "gateway" else limits_of(config, route),
        caller_limits=() if where[0] == "gateway" else _limits_of_callers(config, where, route),
        tenant=tenant_of_route(config, where, route, names),
        cors=cors_of(config, where, route),
        addresses=addresses_of(config, where, route),
    )  # fmt: skip


def _aggregation(
    config: Config, index: int, where: RouteKey, one: Aggregation, secret: frozenset[str]
) -> CompiledRoute:
    pattern, names = parse_pattern(one.path)
    return CompiledRoute(
        index=index, where=where, template=one.path, hosts=_hosts(one), methods=_methods(one), pattern=pattern,
        conditions=(), names=names, aggregation=True, logged=one.access_log, secrets=_secrets(names, secret),
        closed=requires_auth(one), auth=authenticators_of(config, one), access=access_of(config, one),
        max_body=int(config.gateway.max_request_body),
        limits=limits_of(config, one), caller_limits=_limits_of_callers(config, where, one),
        tenant=tenant_of_route(config, where, one, names),
        cors=cors_of(config, where, one),
        addresses=addresses_of(config, where, one),
    )  # fmt: skip


def _limits_of_callers(config: Config, where: RouteKey, one: Route | Aggregation) -> LimitsOfCallers:
    return limits_of_callers(config, one, tenants=need_of(config, where, one) != "ignored")


def _nowhere(config: Config, index: int) -> CompiledRoute | None:
    """What requests meet that no route takes: the rules of everybody, as on a route of any path that says nothing."""
    where: RouteKey = ("routes", index)
    anything = Route(path="/*")
    cors, addresses = cors_of(config, where, anything), addresses_of(config, where, anything)
    if cors is None and not addresses:
        return None
    return CompiledRoute(
        index=index, where=where, template="", hosts=(), methods=(), conditions=(), pattern=(), names={},
        cors=cors, addresses=addresses,
    )  # fmt: skip


def _secrets(names: dict[str, int], secret: frozenset[str]) -> tuple[int, ...]:
    return tuple(at for name, at in names.items() if folded(name) in secret)


def _path_maker(route: Route, names: dict[str, int]) -> PathMaker:
    if route.strip_prefix is not None:
        # "/" strips nothing, "/api" one segment.
        return without_prefix(len(route.strip_prefix.rstrip("/").split("/")) - 1)
    if route.service_path is None or route.service_path == route.path:
        return unchanged
    return filled(route.service_path, names)


def _times(service: Service, route: Route) -> Times:
    total = route.total_timeout or service.total_timeout
    return Times(
        timeout_s=float(route.timeout or service.timeout),
        connect_s=float(service.connect_timeout),
        idle_s=float(route.idle_timeout or service.idle_timeout),
        total_s=float(total) if total is not None else NEVER,
    )


def _fixed(route: Route) -> FixedReply | None:
    if route.respond is not None:
        fields = tuple((name.encode(), value.encode()) for name, value in route.respond.headers.items())
        return FixedReply(route.respond.status, fields, route.respond.body.encode())
    if route.redirect is not None:
        return FixedReply(route.redirect.status, ((b"Location", route.redirect.to.encode()),), b"")
    return None
