"""Versions of routes, and where requests say which one they want."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean, show
from gwproxy.config.routes import Route
from gwproxy.config.rules.paths import is_wildcard, params_of, path_fault, service_path_faults
from gwproxy.config.rules.routes import no_condition
from gwproxy.config.versions import (
    ACCEPT,
    HEADER,
    PATH,
    Version,
    as_version,
    default_of,
    ordered,
    place_in_path,
    same_numbers,
)


def sources(loaded: Loaded) -> Iterator[Problem]:
    """Where versions are said: headers that reach the router, each once, and nothing written for one left out."""
    versioning = loaded.config.versioning
    if loaded.unsound.touches(("versioning", "from")):
        return
    for index, source in enumerate(versioning.sources):
        key: Key = ("versioning", "from", index)
        hint = no_condition(source.removeprefix(HEADER)) if source.startswith(HEADER) else ""
        if hint:
            yield loaded.problem("bad_header", key, found=loaded.shown(key, source), hint=hint)
        if source.lower() in (each.lower() for each in versioning.sources[:index]):
            yield loaded.problem("no_effect", key, found=loaded.shown(key, source), hint="named already")
    for name, source in (("path_prefix", PATH), ("media_type", ACCEPT)):
        key = ("versioning", name)
        if key in loaded.places and source not in versioning.sources:
            yield loaded.problem("no_effect", key, hint=f'from has no "{source}"')


def places(loaded: Loaded) -> Iterator[Problem]:
    """The segment behind path_prefix is a version's for at least one route, and no version is out of reach."""
    versioning = loaded.config.versioning
    if any(loaded.unsound.touches(("versioning", name)) for name in ("from", "path_prefix")) or [*prefix(loaded)]:
        return
    routes = [(index, route) for index, route in enumerate(loaded.config.routes) if route.versions]
    outside = [index for index, route in routes if place_in_path(versioning, route.path) < 0]
    key: Key = ("versioning", "path_prefix")
    if key in loaded.places and PATH in versioning.sources and len(outside) == len(routes):
        found = loaded.shown(key, versioning.path_prefix)
        yield loaded.problem("no_effect", key, found=found, hint="no route with versions is under it")
    for index in outside if set(versioning.sources) == {PATH} else ():
        hint = f'it is not under path_prefix, and from has nothing but "{PATH}": only the default can be had'
        yield loaded.problem("no_effect", ("routes", index, "versions"), hint=hint)


def prefix(loaded: Loaded) -> Iterator[Problem]:
    """What stands before a version is fixed text."""
    key: Key = ("versioning", "path_prefix")
    path = loaded.config.versioning.path_prefix
    fault = path_fault(path) or ("write it without :param and *" if params_of(path) or is_wildcard(path) else "")
    if fault:
        yield loaded.problem("bad_path", key, found=loaded.shown(key, path), hint=fault)


def default(loaded: Loaded) -> Iterator[Problem]:
    """The default is a version that some route has; others have their latest."""
    key: Key = ("versioning", "default")
    named, routes = loaded.config.versioning.default, loaded.config.routes
    known = ordered({name for route in routes for name in route.versions})
    if named is not None and named not in known:
        yield loaded.problem("unknown_version", key, found=loaded.shown(key, named), hint=did_you_mean(named, known))


def alike(loaded: Loaded) -> Iterator[Problem]:
    """Of two versions of a route one is the later."""
    for index, route in enumerate(loaded.config.routes):
        seen: dict[tuple[int, ...], str] = {}
        for name in route.versions:
            first = seen.setdefault(same_numbers(name), name)
            if first != name:
                key: Key = ("routes", index, "versions")
                hint = f"{show(first)} at {loaded.places.find((*key, first))} has the same numbers: keep one"
                yield loaded.problem("duplicate_version", (*key, name), found=show(name), hint=hint)


def ends(loaded: Loaded) -> Iterator[Problem]:
    """Requests that say no version get one that goes on for as long as any."""
    versioning = loaded.config.versioning
    for index, route in enumerate(loaded.config.routes if versioning.enforce_sunset else ()):
        if not route.versions:
            continue
        name = default_of(versioning, route.versions)
        sunset = route.versions[name].sunset
        if sunset is None:
            continue
        longer = [other for other, one in route.versions.items() if one.sunset is None or one.sunset > sunset]
        if longer:
            yield loaded.problem(
                "default_ends", ("routes", index, "versions", name, "sunset"), found=str(sunset),
                hint="from then on a request that says no version is answered 410: "
                f'with default = "{ordered(longer)[-1]}" in [versioning] it is served',
            )  # fmt: skip


def dates(loaded: Loaded) -> Iterator[Problem]:
    """A sunset is no earlier than the deprecation (RFC 9745 section 4), and what tells of an end needs one."""
    for _, key, _, version in _all(loaded):
        if version.sunset and version.deprecated and version.sunset < version.deprecated:
            yield loaded.problem(
                "sunset_too_early", (*key, "sunset"), found=str(version.sunset),
                expected=f"{version.deprecated} or later",
            )  # fmt: skip
        if version.message is not None and version.deprecated is None:
            yield loaded.problem("no_effect", (*key, "message"), hint="deprecated is not written")
        if version.documentation is not None and version.deprecated is None and version.sunset is None:
            hint = "neither deprecated nor sunset is written"
            yield loaded.problem("no_effect", (*key, "documentation"), hint=hint)


def paths(loaded: Loaded) -> Iterator[Problem]:
    """A version's service gets what the route's path has."""
    for route, key, _, version in _all(loaded):
        if version.service_path is not None:
            yield from service_path_faults(loaded, (*key, "service_path"), version.service_path, route)


def services(loaded: Loaded) -> Iterator[Problem]:
    """Each version has a service, its own or the route's, and the limits that it names are that service's."""
    known = loaded.config.services
    for route, key, name, version in _all(loaded):
        one = as_version(route, name)
        if one.service is None:
            hint = f"write service here or in routes[{key[1]}]"
            yield loaded.problem("version_without_service", key, hint=hint)
        elif one.service not in known:
            # The route's own is told as the route's.
            if version.service is not None:
                yield _unknown(loaded, "unknown_service", (*key, "service"), one.service, list(known))
        elif one.rate_limit is not None and one.rate_limit not in known[one.service].rate_limits:
            at = (*key, "rate_limit") if version.rate_limit is not None else (*key[:2], "rate_limit")
            yield _unknown(loaded, "unknown_limit", at, one.rate_limit, list(known[one.service].rate_limits))


def _unknown(loaded: Loaded, kind: str, key: Key, name: str, known: list[str]) -> Problem:
    return loaded.problem(kind, key, found=loaded.shown(key, name), hint=did_you_mean(name, known))


def _all(loaded: Loaded) -> Iterator[tuple[Route, Key, str, Version]]:
    for index, route in enumerate(loaded.config.routes):
        for name, version in route.versions.items():
            yield route, ("routes", index, "versions", name), name, version
