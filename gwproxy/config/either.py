"""Keys that can be written in two ways, read as one."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.addresses import Addresses
from gwproxy.config.auth import ApiKey, Jwt
from gwproxy.config.cors import Cors
from gwproxy.config.identity import IdentityForm
from gwproxy.config.problems import Key
from gwproxy.config.routes import Aggregation, Respond, Route
from gwproxy.config.schema import Config
from gwproxy.config.services import Service, Target
from gwproxy.config.tenants import Need

RouteKey = tuple[str, int | str]
"""Where a route is written: `("routes", 3)`, `("aggregations", 0)`, `("gateway", "healthz")`."""


def hosts_of(route: Route | Aggregation) -> tuple[str, ...]:
    """The hosts of a route, as written; empty for one that stands for any host."""
    return (route.host,) if route.host is not None else route.hosts


def methods_of(route: Route | Aggregation) -> tuple[str, ...]:
    """The methods of a route; "*" among them stands for any."""
    return (route.methods if isinstance(route, Route) else ()) or (route.method,)


def targets_of(service: Service) -> tuple[Target, ...]:
    """The targets of a service, be it written with url or with targets."""
    return service.targets if service.url is None else (Target(url=service.url),)


def requires_auth(route: Route | Aggregation) -> bool:
    """Whether only known callers may ask: as written, and implied by what they need."""
    return bool(route.requires_auth or needs(route))


def needs(route: Route | Aggregation) -> bool:
    """Whether a route wants permissions or roles."""
    return bool(route.permissions or route.permissions_all or route.roles)


def redacted(config: Config) -> tuple[str, ...]:
    """Names whose values no line of a log shows: those of the file, and those under which credentials are sent."""
    methods = (method for method in config.auth.methods.values() if isinstance(method, Jwt | ApiKey))
    sources = (method.source.partition(":") for method in methods)
    return (*config.log.redact, *(name for kind, _, name in sources if kind == "query"))


def all_routes(config: Config) -> Iterator[tuple[RouteKey, Route | Aggregation]]:
    """Routes, then aggregations, then those of the gateway itself, each with its key."""
    for index, route in enumerate(config.routes):
        yield ("routes", index), route
    for index, aggregation in enumerate(config.aggregations):
        yield ("aggregations", index), aggregation
    for name, path in (("healthz", config.gateway.healthz), ("readyz", config.gateway.readyz)):
        if path is not None:
            yield ("gateway", name), _probe(config, name, path)


def _probe(config: Config, name: str, path: str) -> Route:
    """What answers /healthz or /readyz: on any host (""), and on those that have routes of their own."""
    written: tuple[Route | Aggregation, ...] = (*config.routes, *config.aggregations)
    named = (host for one in written for host in hosts_of(one))
    body = '{"status":"alive"}' if name == "healthz" else '{"status":"ready"}'
    fields = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Route(
        path=path, hosts=("", *dict.fromkeys(named)), methods=("GET", "HEAD"),
        requires_auth=False, access_log=False, respond=Respond(headers=fields, body=body),
    )  # fmt: skip


def route_at(config: Config, key: RouteKey) -> Route | Aggregation:
    """The route whose key in `all_routes` this is."""
    room, place = key
    if isinstance(place, int):
        return config.routes[place] if room == "routes" else config.aggregations[place]
    return _probe(config, place, getattr(config.gateway, place))


def cors_of(config: Config, key: RouteKey, route: Route | Aggregation) -> Cors | None:
    """The CORS that is in force on a route: its own, else everybody's; none on the gateway's health routes."""
    cors = config.cors if route.cors is None else route.cors
    return cors if cors is not None and cors.allow_origins and key[0] != "gateway" else None


def addresses_of(config: Config, key: RouteKey, route: Route | Aggregation) -> tuple[Addresses, ...]:
    """The address rules that all must let a caller in to a route: everybody's, then its own."""
    if key[0] == "gateway":
        return ()
    return tuple(one for one in (config.addresses, route.addresses) if one is not None and (one.allow or one.deny))


def need_of(config: Config, where: RouteKey, one: Route | Aggregation) -> Need:
    """What a route does about tenants."""
    if config.tenancy is None or where[0] == "gateway":
        return "ignored"
    return one.tenant or config.tenancy.need


def identity_of(config: Config, service: Service) -> IdentityForm:
    """How a service is told who is calling: as it says itself, else as [identity] says."""
    return service.identity or config.identity.form


def path_key(key: RouteKey) -> Key:
    """Where the path of a route is written."""
    return key if key[0] == "gateway" else (*key, "path")


def has_limits(config: Config) -> bool:
    """Whether anything in the file limits callers."""
    of_services = any(service.limit or service.rate_limits for service in config.services.values())
    of_routes = any(route.limit for _, route in all_routes(config))
    of_all = config.limits.everybody or (config.auth.methods and config.limits.auth_failures)
    return bool(of_all or config.tiers or config.plans or of_services or of_routes)
