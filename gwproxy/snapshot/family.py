"""A route that has versions → a compiled route for each of them, in each form that its path has."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from email.utils import formatdate
from itertools import count

from gwproxy.config.routes import Route
from gwproxy.config.versions import (
    PATH,
    Version,
    Versioning,
    as_version,
    default_of,
    ordered,
    place_in_path,
    successor_of,
)
from gwproxy.snapshot.template import without_segment
from gwproxy.snapshot.tenants import with_segment
from gwproxy.snapshot.types import Access, CompiledRoute
from gwproxy.snapshot.versions import Chooser
from gwproxy.steps.asked import Source, source_of
from gwproxy.steps.version import NAME, NEVER, VersionSpec
from gwproxy.wire.fields import folded
from gwproxy.wire.pattern import STATIC


@dataclass(frozen=True, slots=True)
class Family:
    """All compiled routes of one route with versions; those that the router gets; and, by index, who chooses there."""

    routes: tuple[CompiledRoute, ...]
    matched: tuple[CompiledRoute, ...]
    choosers: dict[int, Chooser]


def family_of(
    versioning: Versioning, route: Route, first: int, make: Callable[[Route], CompiledRoute]
) -> Family:
    """Compile every version with `make`, numbered from `first`; under the name "" what refuses all other versions."""
    numbers = count(first)
    default = default_of(versioning, route.versions)
    sources, ahead = _sources(versioning)
    specs = _specs(versioning, route, default, sources)
    made = {name: make(as_version(route, name)) for name in ordered(route.versions)}
    made[""] = _refusing(made[default])
    plain = {name: replace(one, index=next(numbers), version=specs[name]) for name, one in made.items()}
    own = _chooser(plain, sources, default)
    at = specs[""].at
    if at < 0:
        return Family((*plain.values(),), (plain[default],), {plain[default].index: own})
    inside = {name: _in_path(one, at, name, ahead, next(numbers)) for name, one in plain.items()}
    own.stray = _chooser(inside, ahead, "")
    entered = [inside[name] for name in ordered(route.versions)]
    # Where nothing goes before the path, what stands in it needs no choosing.
    choosers = {inside[name].index: _chooser(inside, ahead, name) for name in route.versions if ahead}
    return Family(
        (*plain.values(), *inside.values()), (plain[default], *entered), {plain[default].index: own, **choosers}
    )  # fmt: skip


def _sources(versioning: Versioning) -> tuple[tuple[Source, ...], tuple[Source, ...]]:
    """What is asked for a version besides the path, and which of that before the path."""
    written = [each for each in versioning.sources if each != PATH]
    sources = tuple(source_of(each, versioning.media_type) for each in written)
    before = versioning.sources.index(PATH) if PATH in versioning.sources else len(sources)
    return sources, sources[:before]


def _chooser(routes: Mapping[str, CompiledRoute], sources: tuple[Source, ...], otherwise: str) -> Chooser:
    table = {name.encode(): one for name, one in routes.items() if name}
    return Chooser(sources, table, routes[otherwise], routes[""])


def _refusing(route: CompiledRoute) -> CompiledRoute:
    """Nobody answers there and nothing is used up: what is left of the route is how it is found and told."""
    return replace(
        route, service="", times=None, limits=(), caller_limits=(), closed=False, auth=(), tenant=None, access=Access(),
        maintenance=False,
    )  # fmt: skip


def _in_path(
    route: CompiledRoute, at: int, name: str, ahead: tuple[Source, ...], index: int
) -> CompiledRoute:
    """The same route, asked for with its version as segment `at` of the path."""
    assert route.version is not None
    tells = replace(
        route.version, sources=ahead, in_path=True, matched=bool(name), default=False,
        lines=_varies(ahead) + route.version.lines.removeprefix(_varies(route.version.sources)),
    )  # fmt: skip
    return replace(
        route, index=index, version=tells,
        pattern=(*route.pattern[:at], (STATIC, name.encode()), *route.pattern[at:]),
        names={param: place + (place >= at) for param, place in route.names.items()},
        secrets=tuple(place + (place >= at) for place in route.secrets),
        make_path=without_segment(at, route.make_path), tenant=with_segment(route.tenant, at),
    )  # fmt: skip


def _specs(
    versioning: Versioning, route: Route, default: str, sources: tuple[Source, ...]
) -> dict[str, VersionSpec]:
    names = dict.fromkeys((NAME.decode(), *(source.varies for source in sources if source.varies != "Accept")))
    gone = {name: _gone_at(versioning, version) for name, version in route.versions.items()}
    unknown = VersionSpec(
        "", sources, place_in_path(versioning, route.path), tuple((name, gone[name]) for name in ordered(gone)),
        own=frozenset(folded(name.encode()) for name in names),
    )  # fmt: skip
    specs = {"": unknown}
    for name, version in route.versions.items():
        told = "".join(f"{header}: {name}\r\n" for header in names).encode()
        at_stake = version.deprecated is not None or version.sunset is not None
        successor = successor_of(name, route.versions) if at_stake else ""
        specs[name] = replace(
            unknown, name=name, matched=name == default, default=name == default, told=told, gone_at=gone[name],
            lines=_varies(sources) + _lines(name, version), message=_message(name, version, successor),
            deprecated_at=NEVER if version.deprecated is None else _time(version.deprecated), ours=_ours(version),
            successor=successor.encode() if unknown.at >= 0 else b"",
        )  # fmt: skip
    return specs


def _varies(sources: tuple[Source, ...]) -> bytes:
    """Caches must know what else the answer was chosen by (RFC 9110 section 12.5.5)."""
    return f"Vary: {', '.join(source.varies for source in sources)}\r\n".encode() if sources else b""


def _lines(name: str, version: Version) -> bytes:
    lines = [f"{NAME.decode()}: {name}"]
    if version.deprecated is not None:
        # A date of RFC 9651 section 3.3.7.
        lines.append(f"Deprecation: @{_time(version.deprecated)}")
    if version.sunset is not None:
        lines.append(f"Sunset: {formatdate(_time(version.sunset), usegmt=True)}")
    if version.documentation is not None and (version.deprecated or version.sunset):
        relation = "deprecation" if version.deprecated else "sunset"
        lines.append(f'Link: <{version.documentation}>; rel="{relation}"')
    return "".join(f"{line}\r\n" for line in lines).encode()


def _message(name: str, version: Version, successor: str) -> bytes:
    if version.deprecated is None:
        return b""
    usual = f"API {name} is deprecated." + (f" Please migrate to {successor}." if successor else "")
    return f"X-Deprecated-Message: {usual if version.message is None else version.message}\r\n".encode()


def _ours(version: Version) -> frozenset[bytes]:
    ours = [b"x-api-version"]
    if version.deprecated is not None:
        ours += [b"deprecation", b"x-deprecated-message"]
    if version.sunset is not None:
        ours.append(b"sunset")
    return frozenset(ours)


def _gone_at(versioning: Versioning, version: Version) -> float:
    return _time(version.sunset) if versioning.enforce_sunset and version.sunset is not None else NEVER


def _time(day: date) -> int:
    """The first second of a day, UTC, since 1970."""
    return timegm(day.timetuple())
