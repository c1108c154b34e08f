"""Names that stand for something written elsewhere in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gwproxy.config.auth import known_callers
from gwproxy.config.either import all_routes
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean, show


def services(loaded: Loaded) -> Iterator[Problem]:
    """A route's service, and those of an aggregation's parts, exist."""
    known = loaded.config.services
    for index, route in enumerate(loaded.config.routes):
        if route.service is not None:
            yield from _known(loaded, "unknown_service", ("routes", index, "service"), route.service, known)
    for index, aggregation in enumerate(loaded.config.aggregations):
        for place, part in enumerate(aggregation.parts):
            key: Key = ("aggregations", index, "parts", place, "service")
            yield from _known(loaded, "unknown_service", key, part.service, known)


def limits(loaded: Loaded) -> Iterator[Problem]:
    """A route's rate_limit is one that its service has."""
    for index, route in enumerate(loaded.config.routes):
        service = loaded.config.services.get(route.service or "")
        if route.rate_limit is not None and service is not None:
            key = ("routes", index, "rate_limit")
            yield from _known(loaded, "unknown_limit", key, route.rate_limit, service.rate_limits)


def tiers(loaded: Loaded) -> Iterator[Problem]:
    """Wherever a tier is named, it is one of [tiers]."""
    for key, name in _named_tiers(loaded):
        yield from _known(loaded, "unknown_tier", key, name, loaded.config.tiers)


def _named_tiers(loaded: Loaded) -> Iterator[tuple[Key, str]]:
    auth = loaded.config.auth
    if auth.default_tier is not None:
        yield ("auth", "default_tier"), auth.default_tier
    for key, entry in known_callers(auth):
        if entry.tier is not None:
            yield (*key, "tier"), entry.tier
    for name, service in loaded.config.services.items():
        for limit_name, limit in service.rate_limits.items():
            for tier in limit.tiers:
                yield ("services", name, "rate_limits", limit_name, "tiers", tier), tier


def roles(loaded: Loaded) -> Iterator[Problem]:
    """The roles of known callers, and those that a route wants, are some of [roles]."""
    for key, entry in known_callers(loaded.config.auth):
        if entry.role is not None:
            yield from _known(loaded, "unknown_role", (*key, "role"), entry.role, loaded.config.roles)
    for where, route in all_routes(loaded.config):
        for index, role in enumerate(route.roles):
            # A role without permissions is written too, so that a misspelt one is found.
            yield from _known(loaded, "unknown_role", (*where, "roles", index), role, loaded.config.roles)


def authenticators(loaded: Loaded) -> Iterator[Problem]:
    """The ways to prove who is calling that a route names are some of [auth]."""
    known = loaded.config.auth.methods
    for where, route in all_routes(loaded.config):
        for index, name in enumerate(route.auth):
            yield from _known(loaded, "unknown_auth", (*where, "auth", index), name, known)


def parts(loaded: Loaded) -> Iterator[Problem]:
    """Each part of an aggregation has a name of its own."""
    for index, aggregation in enumerate(loaded.config.aggregations):
        seen: set[str] = set()
        for place, part in enumerate(aggregation.parts):
            if part.name in seen:
                key = ("aggregations", index, "parts", place, "as")
                yield loaded.problem(
                    "duplicate_part", key, found=loaded.shown(key, part.name), hint="give each its own name"
                )
            seen.add(part.name)


def _known(loaded: Loaded, kind: str, key: Key, name: str, known: Collection[str]) -> Iterator[Problem]:
    if name not in known:
        # A table may have the name as its key: then what stands there is another thing.
        found = show(name) if key[-1] == name else loaded.shown(key, name)
        yield loaded.problem(kind, key, found=found, hint=did_you_mean(name, known))
