"""Keys that can be written in two ways, read as one."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.problems import Key
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.schema import Config
from gwproxy.config.services import Service, Target


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
    """Whether only known callers may ask: as written, and implied by permissions."""
    return bool(route.requires_auth or route.permissions)


def all_routes(config: Config) -> Iterator[tuple[Key, Route | Aggregation]]:
    """Routes, then aggregations, each with its key."""
    for index, route in enumerate(config.routes):
        yield ("routes", index), route
    for index, aggregation in enumerate(config.aggregations):
        yield ("aggregations", index), aggregation
