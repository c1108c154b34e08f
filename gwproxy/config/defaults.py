"""[defaults.services] and [defaults.routes]: values for keys that a table does not write itself.

This happens on what TOML holds, before types are looked at, so that "not written" is known. A default is taken key by
key, whole: a service that writes `pool` has nothing of the shared `pool`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gwproxy.config.places import Places
from gwproxy.config.problems import Key
from gwproxy.config.routes import FORWARDING_KEYS, Route, RouteDefaults
from gwproxy.config.services import ServiceDefaults

NEEDS: Final = ("permissions", "permissions_all", "roles")


def apply_defaults(data: dict[str, Any], places: Places) -> None:
    """Fill in services and routes in place; what is not of the right shape is left for the walk to refuse."""
    defaults = data.get("defaults")
    if not isinstance(defaults, dict):
        return
    services = data.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict):
            _fill(service, _shared(defaults, "services", ServiceDefaults), ("services", name), places)
    routes = data.get("routes")
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict):
            shared = _shared(defaults, "routes", RouteDefaults)
            wanted = {key: value for key, value in shared.items() if not _displaced(key, value, route)}
            _fill(route, wanted, ("routes", index), places)


def _shared(defaults: dict[str, Any], room: str, cls: type[msgspec.Struct]) -> dict[str, Any]:
    """The keys that may be shared; others are refused where they are written, and need not be repeated."""
    table = defaults.get(room)
    known = cls.__struct_encode_fields__
    return {key: table[key] for key in known if key in table} if isinstance(table, dict) else {}


def _displaced(key: str, value: object, route: dict[str, Any]) -> bool:
    """Whether the route writes something that a default of this key would contradict."""
    if key in FORWARDING_KEYS and ("respond" in route or "redirect" in route):
        return True
    # Who needs something must be known: a route that wants permissions keeps that, one that is open needs none.
    if key == "requires_auth" and value is not True and any(route.get(need) for need in NEEDS):
        return True
    if key in NEEDS and route.get("requires_auth") is False:
        return True
    return any(
        key in choice.keys and any(other in route for other in choice.keys) for choice in Route.choices
    )


def _fill(table: dict[str, Any], shared: dict[str, Any], key: Key, places: Places) -> None:
    room = str(key[0])
    for name, value in shared.items():
        if name not in table:
            table[name] = value
            _point(value, (*key, name), ("defaults", room, name), places)


def _point(value: object, key: Key, source: Key, places: Places) -> None:
    """What came from a default stands where the default stands, down to its last key."""
    places.alias(key, source)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        _point(each, (*key, name), (*source, name), places)
