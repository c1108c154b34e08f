"""What of one route is written but not in force."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gwproxy.config.either import route_at
from gwproxy.config.in_force import Notice, not_in_force
from gwproxy.config.routes import Aggregation
from gwproxy.config.schema import Config, State
from gwproxy.snapshot.types import CompiledRoute


def not_in_force_for(config: Config, route: CompiledRoute) -> list[Notice]:
    """The notices of a configuration that has this route alone, with the services that it asks."""
    room, one = route.where[0], route_at(config, route.where)
    if isinstance(one, Aggregation):
        names = {part.service for part in one.parts}
        config = replace(config, routes=(), aggregations=(one,))
    else:
        names = {route.service}
        config = replace(config, routes=(one,), aggregations=())
    services = {name: service for name, service in config.services.items() if name in names}
    gateway = replace(config.gateway, workers=1)
    alone = replace(config, services=services, gateway=gateway, admin=None, state=State())
    return [_at_home(notice, room, route.key) for notice in not_in_force(alone)]


def _at_home(notice: Notice, room: str, key: str) -> Notice:
    """There it is the first of its room; in the file it has its own place."""
    first: Final = f"{room}[0]"
    return (
        replace(notice, key=key + notice.key.removeprefix(first)) if notice.key.startswith(first) else notice
    )
