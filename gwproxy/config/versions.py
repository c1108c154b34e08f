"""Versions of an API: [versioning], and [routes.versions.NAME] beneath a route."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from gwproxy.config.forms import SOME, Day, HeaderValue, Path, Text, Timeout, says

if TYPE_CHECKING:
    from gwproxy.config.routes import Route

# One to four numbers. Bounded, since a version that a caller names is repeated in what it is told.
FORM: Final = r"v?[0-9]{1,8}([.-][0-9]{1,8}){0,3}"
PATH: Final = "path"
ACCEPT: Final = "accept"
HEADER: Final = "header:"

VersionName = Annotated[str, Meta(pattern=f"^{FORM}$", title='a version such as "v2", "2.1" or "2024-06-01"')]
Source = Annotated[
    str,
    Meta(
        pattern=r"^(path|accept|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$", title='"path", "accept" or "header:NAME"'
    ),
]
# RFC 6838 section 4.2, with the place of the version; parameters behind a ";" are not looked at.
MediaType = Annotated[
    str,
    Meta(
        pattern=r"^[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]*\{version\}[!#$&^_.+0-9A-Za-z-]*$",
        title='a media type with one "{version}" behind its slash',
    ),
]
# It is put between < and > (RFC 8288 section 3).
Link = Annotated[
    str, Meta(pattern=r"^(https?://|/)[!-;=?-~]*$", title="an http(s) address, or a path of the same host")
]


class Versioning(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How callers say which version of an API they want; for the routes that have versions."""

    sources: Annotated[
        Annotated[tuple[Source, ...], SOME],
        says("Where a request says its version; the first of these that says one decides."),
    ] = field(default=("path", "header:X-API-Version", "accept"), name="from")
    path_prefix: Annotated[
        Path, says('For "path": the version is the segment behind this, so that /api/v2/users is /api/users in v2.')
    ] = "/api"
    media_type: Annotated[MediaType, says('For "accept": the media type that names a version.')] = (
        "application/vnd.api.{version}+json"
    )
    default: Annotated[
        VersionName | None, says("Version of a request that says none; the latest of the route when left out.")
    ] = None
    enforce_sunset: Annotated[bool, says("Answer 410 from the day of a version's sunset on.")] = False


class Version(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a route: what is different in it, and how long it lives."""

    service: Annotated[Text | None, says("Name of the service that answers; the route's when left out.")] = None
    service_path: Annotated[
        Path | None,
        says("Path that the service gets. Left out: the route's, or else the path without the version in it."),
    ] = None
    rate_limit: Annotated[Text | None, says("As the route's, for this version.")] = None
    timeout: Annotated[Timeout | None, says("As the route's, for this version.")] = None
    deprecated: Annotated[Day | None, says("Since when, or from when, nobody should use it any more (RFC 9745).")] = (
        None
    )
    sunset: Annotated[Day | None, says("The day from which it may be gone (RFC 8594); UTC, as deprecated.")] = None
    message: Annotated[
        HeaderValue | None, says("X-Deprecated-Message; one that names the version to go to when left out.")
    ] = None
    documentation: Annotated[Link | None, says("Page about its end, told in a Link header.")] = None


Versions = Annotated[
    dict[VersionName, Version],
    Meta(extra_json_schema={"minProperties": 1}),
    says("Versions of this route, by name; each may have a service of its own."),
]


def ordered(names: Iterable[str]) -> list[str]:
    """Versions from the oldest to the latest, number by number: v2, v2.1, v10."""
    return sorted(names, key=lambda name: (_numbers(name), name))


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall("[0-9]+", name))


def same_numbers(name: str) -> tuple[int, ...]:
    """What versions have in common that no order tells apart, however they are written: v1, 1, 01 and v1.0."""
    numbers = _numbers(name)
    while numbers[1:] and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def default_of(versioning: Versioning, names: Iterable[str]) -> str:
    """The version of a request that says none: the file's default where the route has it, else its latest."""
    known = ordered(names)
    return versioning.default if versioning.default in known else known[-1]


def successor_of(name: str, versions: Mapping[str, Version]) -> str:
    """The latest version behind `name` that stays; empty where there is none."""
    staying = [each for each, one in versions.items() if one.deprecated is None and one.sunset is None]
    later = [each for each in ordered(staying) if _numbers(each) > _numbers(name)]
    return later[-1] if later else ""


def as_version(route: Route, name: str) -> Route:
    """The route as it would be written for one of its versions alone."""
    version = route.versions[name]
    own_path = version.service_path is not None
    return replace(
        route,
        service=version.service or route.service,
        service_path=version.service_path if own_path else route.service_path,
        strip_prefix=None if own_path else route.strip_prefix,
        rate_limit=version.rate_limit or route.rate_limit,
        timeout=version.timeout or route.timeout,
    )


def prefix_of(versioning: Versioning) -> list[str]:
    """The segments in front of the version."""
    return versioning.path_prefix.rstrip("/").split("/")[1:]


def place_in_path(versioning: Versioning, path: str) -> int:
    """Which segment of the path the version becomes; -1 where it has no place there."""
    prefix = prefix_of(versioning)
    under = path.split("/")[1:][: len(prefix)] == prefix
    return len(prefix) if under and PATH in versioning.sources else -1


def versioned_path(path: str, at: int, name: str) -> str:
    """The path with the version as its segment `at`."""
    segments = path.split("/")[1:]
    return "/" + "/".join([*segments[:at], name, *segments[at:]])
