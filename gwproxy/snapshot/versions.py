"""Which version of a route a request gets, decided right behind the router's match.

Each version is a compiled route of its own. The router knows one of them under the route's own path, the default, and
all of them under the path with the version in it; here the one that was found is replaced by the one that was asked
for, so that nothing behind this needs to know of versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gwproxy.errors import GatewayError
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.steps.asked import Source, is_version, kind_of
from gwproxy.wire.fields import Fields
from gwproxy.wire.path import decode, split
from gwproxy.wire.pattern import REST, STATIC, Pattern

Match = Callable[[bytes, bytes, bytes, Fields], tuple[CompiledRoute, list[bytes]]]
"""(host, method, path, fields) → the route, and the raw segments of the path. Raises GatewayError where none is."""

# What the router says of a path that no route has; an ambiguous one stays what it is.
_UNMATCHED: Final = ("not_found", "method_not_allowed")


class Chooser:
    """The versions of one route, in one form of its path. `otherwise` is for requests in which no source speaks."""

    __slots__ = ("_otherwise", "_sources", "_table", "_unknown", "kinds", "stray")

    def __init__(
        self,
        sources: tuple[Source, ...],
        table: Mapping[bytes, CompiledRoute],
        otherwise: CompiledRoute,
        unknown: CompiledRoute,
    ) -> None:
        self._sources = sources
        self._table = table
        self._otherwise = otherwise
        self._unknown = unknown
        # Of the route's own path: what answers where a version that there is not stands in it, and what it looks like.
        self.stray: Chooser | None = None
        self.kinds = frozenset(map(kind_of, table))

    def choose(self, fields: Fields) -> CompiledRoute:
        """The version asked for: the first source that speaks decides, and of its wishes the first that can be met."""
        for source in self._sources:
            said = source.said(fields)
            if said:
                table = self._table
                return next((table[version] for version in said if version in table), self._unknown)
        return self._otherwise


class Versions:
    """The choosers of all routes that have versions. `prefix` stands before the version in a path."""

    __slots__ = ("_in_path", "choosers", "open", "prefix")

    def __init__(self, prefix: list[str], *, in_path: bool) -> None:
        self.prefix = [segment.encode() for segment in prefix]
        self._in_path = in_path
        self.choosers: dict[int, Chooser] = {}
        # Routes whose :param or * takes what may be a version.
        self.open: set[int] = set()

    def file(self, route: CompiledRoute) -> None:
        """Note a route that the router gets. Only while compiling."""
        if self._in_path and self._is_open(route.pattern):
            self.open.add(route.index)

    def _is_open(self, pattern: Pattern) -> bool:
        for (kind, literal), segment in zip(pattern, self.prefix, strict=False):
            if kind == REST:
                return True
            if kind == STATIC and literal != segment:
                return False
        return len(pattern) > len(self.prefix) and pattern[len(self.prefix)][0] != STATIC


def versioned(match: Match, versions: Versions) -> Match:
    """`match` itself where no route has versions; else what chooses among them too."""
    return VersionedMatch(match, versions) if versions.choosers else match


class VersionedMatch:
    """The router's match, or another that stands on it, and then the version."""

    __slots__ = ("_at", "_choosers", "_match", "_open", "_prefix")

    def __init__(self, match: Match, versions: Versions) -> None:
        self._match = match
        self._choosers = versions.choosers
        self._open = versions.open
        self._prefix = versions.prefix
        self._at = len(versions.prefix)

    def __call__(
        self, host: bytes, method: bytes, path: bytes, fields: Fields
    ) -> tuple[CompiledRoute, list[bytes]]:
        """The route of a request in the version that it asks for. Raises GatewayError as the router does."""
        try:
            route, raw = self._match(host, method, path, fields)
        except GatewayError as error:
            if error.code not in _UNMATCHED:
                raise
            raw = split(path)[0]
            stray = self._stray(host, method, raw, fields)
            if stray is None:
                raise
            return stray, raw
        if route.index in self._open:
            stray = self._stray(host, method, raw, fields)
            if stray is not None:
                return stray, raw
        chooser = self._choosers.get(route.index)
        return (route, raw) if chooser is None else (chooser.choose(fields), raw)

    def _stray(self, host: bytes, method: bytes, raw: list[bytes], fields: Fields) -> CompiledRoute | None:
        """What answers a path with a version in it that its route has not; None where there is no such thing."""
        at = self._at
        if len(raw) <= at:
            return None
        said = decode(raw[at])
        if not is_version(said) or [decode(segment) for segment in raw[:at]] != self._prefix:
            return None
        shorter = b"/" + b"/".join(raw[:at] + raw[at + 1 :])
        try:
            route, _ = self._match(host, method, shorter, fields)
        except GatewayError:
            return None
        chooser = self._choosers.get(route.index)
        if chooser is None or chooser.stray is None or kind_of(said) not in chooser.kinds:
            return None
        return chooser.stray.choose(fields)
