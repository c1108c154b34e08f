"""Routes that could both win the same request at the same rank, so that nobody could say which of them answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from gwproxy.config.either import RouteKey, all_routes, hosts_of, methods_of, path_key, route_at
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Problem, dotted
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.rules.addresses import is_route_host
from gwproxy.config.rules.paths import path_fault
from gwproxy.config.rules.routes import is_method
from gwproxy.config.versions import place_in_path, versioned_path
from gwproxy.wire.pattern import STATIC, Pattern, parse_pattern

_EMPTY: Final = (STATIC, b"")
# What decides which requests a route is for.
_DECIDING: Final = ("path", "host", "hosts", "method", "methods", "headers")
_MOST_NAMED: Final = 3

Conditions = frozenset[tuple[str, str]]
# Routes of one host, pattern, method and number of conditions: names in conditions → conditions → the first of them.
Slot = dict[frozenset[str], dict[Conditions, RouteKey]]


def ties(loaded: Loaded) -> Iterator[Problem]:
    """No two routes tie. Those whose own path, host, method or conditions are wrong are left out, and only those."""
    slots: dict[tuple[object, ...], Slot] = {}
    for key, route in all_routes(loaded.config):
        if path_fault(route.path) or any(loaded.unsound.touches((*key, name)) for name in _DECIDING):
            continue
        headers = route.headers if isinstance(route, Route) else {}
        conditions = frozenset((name.lower(), value) for name, value in headers.items())
        others: dict[RouteKey, str] = {}
        for host, pattern, method in product(_hosts(route), _patterns(loaded, route), _methods(route)):
            slot = slots.setdefault((host, pattern, method, len(conditions)), {})
            for other in _held_together(slot, conditions):
                others.setdefault(other, host)
            slot.setdefault(_names(conditions), {}).setdefault(conditions, key)
        if others:
            yield _tie(loaded, key, route, others)


def _patterns(loaded: Loaded, route: Route | Aggregation) -> list[Pattern]:
    """What the router gets: the path, and the same with each version in it."""
    paths = [route.path]
    if isinstance(route, Route) and route.versions:
        at = place_in_path(loaded.config.versioning, route.path)
        paths += [versioned_path(route.path, at, name) for name in route.versions if at >= 0]
    return [_pattern(loaded, path) for path in paths]


def _pattern(loaded: Loaded, path: str) -> Pattern:
    pattern, _ = parse_pattern(path)
    ignored = loaded.config.gateway.trailing_slash == "ignore" and pattern[-1] == _EMPTY
    return pattern[:-1] if ignored else pattern


def _hosts(route: Route | Aggregation) -> list[str]:
    """The hosts that can be asked for, "" for any; one that is wrong is told by another rule, and stands for none."""
    written = hosts_of(route)
    return list(dict.fromkeys(host.lower() for host in written if not host or is_route_host(host))) if written else [""]


def _methods(route: Route | Aggregation) -> list[str]:
    """The methods that can be asked with; "*" is one for itself, for a route that names its methods wins over it."""
    methods = [name.upper() for name in methods_of(route) if is_method(name.upper(), route)]
    return ["*"] if "*" in methods else list(dict.fromkeys(methods))


def _names(conditions: Conditions) -> frozenset[str]:
    return frozenset(name for name, _ in conditions)


def _held_together(slot: Slot, conditions: Conditions) -> Iterator[RouteKey]:
    """Routes whose conditions can hold together with these: no field is wanted with two values."""
    names = _names(conditions)
    for known, routes in slot.items():
        if known == names:
            if conditions in routes:
                yield routes[conditions]
            continue
        wanted = {pair for pair in conditions if pair[0] in known}
        for others, key in routes.items():
            if {pair for pair in others if pair[0] in names} == wanted:
                yield key


def _tie(loaded: Loaded, key: RouteKey, route: Route | Aggregation, others: dict[RouteKey, str]) -> Problem:
    host = next(iter(others.values()))
    hosts = ((*key, "host"), *((*key, "hosts", index) for index in range(len(hosts_of(route)))))
    filled = any(each in loaded.templates for each in hosts)
    named = [_named(loaded, other) for other in list(others)[:_MOST_NAMED]]
    more = [f"{len(others) - _MOST_NAMED} more"] if len(others) > _MOST_NAMED else []
    where = path_key(key)
    found = loaded.shown(where, route.path) + (f" on host {host}" if host and not filled else "")
    return loaded.problem(
        "duplicate_route", where, found=f"{found}, which ties with {' and '.join(named + more)}",
        hint="give one of them another method, host, path, or more header conditions",
    )  # fmt: skip


def _named(loaded: Loaded, key: RouteKey) -> str:
    path = loaded.shown(path_key(key), route_at(loaded.config, key).path)
    return f"{dotted(key)} ({path}) at {loaded.places.find(key)}"
