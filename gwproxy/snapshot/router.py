"""Which route a request takes: by host, then path, then method, then header conditions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from gwproxy.errors import GatewayError, Phase
from gwproxy.snapshot.trie import Found, Table
from gwproxy.snapshot.types import Candidate, CompiledRoute, Leaf
from gwproxy.wire.fields import Fields
from gwproxy.wire.path import ambiguous, smoothed, split
from gwproxy.wire.pattern import STATIC, Pattern

# About 1 MiB a worker at the most. Half of a match is the path's own cost, and callers ask for few paths at a time.
MAX_REMEMBERED: Final = 1024
MAX_REMEMBERED_PATH: Final = 256
EMPTY: Final = (STATIC, b"")


class Odd:
    """What is to be looked at again of a path that others could read in another way: whether a slash stands encoded in
    it, and what it matches when it is read as they might.
    """

    __slots__ = ("found", "slashes")

    def __init__(self, slashes: bool, found: Found) -> None:
        self.slashes = slashes
        self.found = found


class Router:
    """The tables of all hosts."""

    __slots__ = ("_any", "_exact", "_ignore_slash", "_recent", "_suffixes")

    def __init__(self, *, ignore_trailing_slash: bool = False) -> None:
        self._exact: dict[bytes, Table] = {}
        # ".example.com" → table, the longest first.
        self._suffixes: list[tuple[bytes, Table]] = []
        self._any = Table()
        self._ignore_slash = ignore_trailing_slash
        # Paths that were asked for lately, with what they match; only such as match something.
        self._recent: dict[tuple[bytes, bytes], tuple[list[bytes], Found, Odd | None]] = {}

    def add(self, route: CompiledRoute) -> None:
        """File a route under each of its hosts. Only while compiling."""
        methods = None if "*" in route.methods else frozenset(method.encode() for method in route.methods)
        for host in route.hosts:
            self.leaf(host, route.pattern).add(Candidate(route, methods))

    def leaf(self, host: str, pattern: Pattern) -> Leaf:
        """The leaf of `pattern` on `host`, made if it is not there. Only while compiling."""
        if self._ignore_slash and pattern[-1] == EMPTY:
            pattern = pattern[:-1]
        return self.table(host).leaf(pattern)

    def table(self, host: str) -> Table:
        """The table of `host` ("" for the routes of any host), made if it is not there. Only while compiling."""
        name = host.lower().encode()
        if not name or name == b"*":
            return self._any
        if not name.startswith(b"*."):
            return self._exact.setdefault(name, Table())
        for suffix, table in self._suffixes:
            if suffix == name[1:]:
                return table
        self._suffixes.append((name[1:], Table()))
        self._suffixes.sort(key=lambda entry: len(entry[0]), reverse=True)
        return self.table(host)

    def finish(self) -> Generator[None, None, None]:
        """Close all tables; yields now and then."""
        for table in (self._any, *self._exact.values(), *(table for _, table in self._suffixes)):
            yield from table.finish()

    def match(
        self, host: bytes, method: bytes, path: bytes, fields: Fields
    ) -> tuple[CompiledRoute, list[bytes]]:
        """The route of a request, and the raw segments of its path.

        Raises GatewayError: `ambiguous_path`, `not_found`, `method_not_allowed` with the methods of every route that
        would have matched.
        """
        recent = self._recent.get((host, path))
        raw, found, odd = recent if recent is not None else self._look_up(host, path)
        for leaf in found.lazily(method) if found.leaves is None else found.leaves:
            for candidate in leaf.candidates:
                if (candidate.methods is None or method in candidate.methods) and (
                    not candidate.conditions or _holds(candidate, fields)
                ):
                    if odd is not None:
                        _judge(odd, candidate, method, fields)
                    return candidate.route, raw
        raise _unmatched(found, fields, odd)

    def foresee(
        self, host: bytes, method: bytes, path: bytes, fields: Fields
    ) -> tuple[CompiledRoute, list[bytes]]:
        """As `match`, of a request that is still to come, whose fields nobody knows: header conditions count as met.

        Raises GatewayError as `match` does, for `fields`.
        """
        raw, found, odd = self._recent.get((host, path)) or self._look_up(host, path)
        for leaf in found.lazily(method):
            for candidate in leaf.candidates:
                if candidate.methods is not None and method not in candidate.methods:
                    continue
                if candidate.pass_slashes or odd is None or not odd.slashes:
                    return candidate.route, raw
                raise ambiguous("Encoded slash in the path")
        raise _unmatched(found, fields, odd)

    def _look_up(self, host: bytes, path: bytes) -> tuple[list[bytes], Found, Odd | None]:
        raw, segments, slashes = split(path)
        table = self._any
        if self._exact or self._suffixes:
            table = self._exact.get(host) or self._by_suffix(host)
        if self._ignore_slash and segments and not segments[-1]:
            segments = segments[:-1]
        odd = None if segments is raw else _odd(table, segments, slashes)
        looked_up = (raw, table.find(segments), odd)
        if looked_up[1] and len(path) <= MAX_REMEMBERED_PATH:
            if len(self._recent) >= MAX_REMEMBERED:
                self._recent.clear()
            self._recent[host, path] = looked_up
        return looked_up

    def _by_suffix(self, host: bytes) -> Table:
        for suffix, table in self._suffixes:
            if host.endswith(suffix) and len(host) > len(suffix):
                return table
        return self._any


def _holds(candidate: Candidate, fields: Fields) -> bool:
    return all(value in fields.get_all(name) for name, value in candidate.conditions)


def _odd(table: Table, segments: list[bytes], slashes: bool) -> Odd | None:
    """What others could see; None where nothing comes of it."""
    others = smoothed(segments)
    found = table.find(others)
    if slashes or (others != segments and _may_keep_out(found)):
        return Odd(slashes, found)
    return None


def _may_keep_out(found: Found) -> bool:
    """Whether a route among these may ask more than another; of a contest that is not known before it is held."""
    if found.leaves is None:
        return True
    return any(each.route.closed or each.route.addresses for leaf in found.leaves for each in leaf.candidates)


def _judge(odd: Odd, candidate: Candidate, method: bytes, fields: Fields) -> None:
    """Raises GatewayError (`ambiguous_path`) where another reader could see a path whose route asks for more."""
    if odd.slashes and not candidate.pass_slashes:
        raise ambiguous("Encoded slash in the path")
    for leaf in odd.found.lazily(method):
        for other in leaf.candidates:
            if (other.methods is None or method in other.methods) and _holds(other, fields):
                if _asks_more(other.route, candidate.route):
                    raise ambiguous("The path could be read as one that is not open like this")
                return


def _asks_more(other: CompiledRoute, route: CompiledRoute) -> bool:
    """Whether somebody who may ask `route` is kept out of `other`."""
    if other.closed and (not route.closed or (other.auth, other.access) != (route.auth, route.access)):
        return True
    return any(rule not in route.addresses for rule in other.addresses)


def _unmatched(found: Found, fields: Fields, odd: Odd | None) -> GatewayError:
    if odd is not None and odd.slashes:
        return ambiguous("Encoded slash in the path")
    allowed = found.allowed(lambda candidate: _holds(candidate, fields))
    if not allowed:
        return GatewayError("not_found", "Not Found", phase=Phase.ROUTE)
    return GatewayError(
        "method_not_allowed",
        "Method Not Allowed",
        phase=Phase.ROUTE,
        fields=((b"Allow", b", ".join(sorted(allowed))),),
    )
