"""Why a route won, and why the others did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gwproxy.config.loaded import Loaded
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange
from gwproxy.snapshot.types import CompiledRoute, Snapshot
from gwproxy.wire.path import split
from gwproxy.wire.pattern import REST, STATIC, Pattern, rank


def where(loaded: Loaded, route: CompiledRoute) -> dict[str, Any]:
    """A route's name and place, and what it matches in few words."""
    place = loaded.places.find(route.where)
    conditions = "".join(f" [{name.decode()}: {value.decode()}]" for name, value in route.conditions)
    hosts = "" if route.hosts in (("",), ("*",)) else f" on {', '.join(host or 'any host' for host in route.hosts)}"
    return {
        "key": route.key,
        "says": f"{','.join(route.methods)} {route.template}{conditions}{hosts}",
        "at": f"{place.file}:{place.line}:{place.column}",
        "path": route.template,
        "methods": list(route.methods),
        "hosts": list(route.hosts),
    }


def lost(loaded: Loaded, snapshot: Snapshot, exchange: Exchange, winner: CompiledRoute | None) -> list[str]:
    """Every route whose path matches but that does not answer, the best first."""
    lines: list[str] = []
    for route in contenders(snapshot, exchange):
        if winner is not None and route.where == winner.where:
            # It is the same route, perhaps in another of its versions.
            continue
        reason = mismatch(route, exchange) or _refuses_path(route, winner) or _outranked(route, winner)
        told = where(loaded, route)
        lines.append(f"{told['key']}  {told['says']}  ({told['at']}): {reason}")
    return lines


def contenders(snapshot: Snapshot, exchange: Exchange) -> list[CompiledRoute]:
    """The routes whose host and path match, in the order of the router; a test holds the two together."""
    try:
        _, segments, _ = split(exchange.path)
    except GatewayError:
        return []
    table = _table(snapshot, exchange.head.host.decode("latin-1"))
    ignore = snapshot.gateway.trailing_slash == "ignore"
    if ignore and not segments[-1]:
        segments = segments[:-1]
    matching = [
        route
        for route in snapshot.routes
        if _is_matched(route) and table & _names(route) and _accepts(route.pattern, segments, ignore)
    ]
    return sorted(matching, key=_place_in_line)


def _is_matched(route: CompiledRoute) -> bool:
    """Whether the router has it: of a route's versions it has one on the route's own path."""
    return route.version is None or route.version.matched


def _names(route: CompiledRoute) -> set[str]:
    return {"" if host == "*" else host.lower() for host in route.hosts}


def _table(snapshot: Snapshot, host: str) -> set[str]:
    """The host as routes name it whose table is asked: exact, or the longest wildcard, or any."""
    named = set[str]().union(*map(_names, snapshot.routes))
    wild = [name for name in named if name.startswith("*.") and host.endswith(name[1:]) and host != name[1:]]
    return {host} & named or set(sorted(wild, key=len)[-1:]) or {""}


def _accepts(pattern: Pattern, segments: list[bytes], ignore_slash: bool) -> bool:
    if ignore_slash and pattern[-1] == (STATIC, b""):
        pattern = pattern[:-1]
    if pattern and pattern[-1][0] == REST:
        pattern = pattern[:-1]
        segments = segments[: len(pattern)]
    return len(pattern) == len(segments) and all(
        literal == segment if kind == STATIC else bool(segment)
        for (kind, literal), segment in zip(pattern, segments, strict=True)
    )


def _place_in_line(route: CompiledRoute) -> tuple[tuple[int, ...], int, bool, int]:
    return rank(route.pattern), -len(route.conditions), "*" in route.methods, route.index


def mismatch(route: CompiledRoute, exchange: Exchange) -> str:
    """What of the request, its path aside, is not as the route wants it; empty where all is."""
    method = exchange.method.decode()
    by_get = method == "HEAD" and "GET" in route.methods
    if method not in route.methods and "*" not in route.methods and not by_get:
        return f"not for {method}"
    for name, value in route.conditions:
        if value not in exchange.head.fields.get_all(name):
            return f"wants the header {name.decode()}: {value.decode()}"
    return ""


def _refuses_path(route: CompiledRoute, winner: CompiledRoute | None) -> str:
    """Where nothing won though nothing else is amiss, an encoded slash stands in the path."""
    slashes = winner is None and not route.pass_slashes
    return 'takes no encoded slash (encoded_slashes = "refuse")' if slashes else ""


def _outranked(route: CompiledRoute, winner: CompiledRoute | None) -> str:
    if winner is not None and route.pattern == winner.pattern:
        return "has fewer header conditions, or takes any method"
    return "ranks lower: text before :param before *, segment by segment"


def hints(loaded: Loaded, snapshot: Snapshot, exchange: Exchange, error: GatewayError) -> Iterator[str]:
    """Sentences on why no route answers."""
    if error.code == "method_not_allowed":
        yield "a route has this path, but not for this method"
        upper = exchange.method.upper()
        if upper != exchange.method and _matches(snapshot, exchange, method=upper):
            yield f"(methods are case-sensitive: {upper.decode()} would match)"
    elif error.code == "ambiguous_path":
        yield "the path could be read in two ways, so it is refused before any service sees it"
    else:
        yield from _nowhere(loaded, snapshot, exchange)


def _nowhere(loaded: Loaded, snapshot: Snapshot, exchange: Exchange) -> Iterator[str]:
    host, path = exchange.head.host, exchange.path
    if contenders(snapshot, exchange):
        yield "a route has this path, but wants other headers"
        return
    yield f"no route {_of_host(snapshot, host)} has this path"
    other = path.rstrip(b"/") if path.endswith(b"/") else path + b"/"
    # `OPTIONS *` has no path, and so no slash at its end.
    if other and path.startswith(b"/") and _matches(snapshot, exchange, path=other):
        yield f"({other.decode()} would match: a trailing slash is significant)"
    elsewhere = [h for h in _named_hosts(snapshot) if _matches(snapshot, exchange, host=h.encode())]
    if elsewhere:
        yield f"(it would match on the host {elsewhere[0]})"
    elif host and _named_hosts(snapshot) and _matches(snapshot, exchange, host=b""):
        yield "(a route of any host has it, but this host has routes of its own, and these alone count)"


def _named_hosts(snapshot: Snapshot) -> list[str]:
    """Hosts that routes name, with something in front of those that begin with a star."""
    names = {host for route in snapshot.routes for host in route.hosts if host not in ("", "*")}
    return sorted(name.lower().replace("*", "any", 1) for name in names)


def _of_host(snapshot: Snapshot, host: bytes) -> str:
    return f"for the host {host.decode()}" if _named_hosts(snapshot) else "of the file"


def _matches(
    snapshot: Snapshot,
    exchange: Exchange,
    *,
    host: bytes | None = None,
    method: bytes = b"",
    path: bytes = b"",
) -> bool:
    """Whether the request would find a route if it were a little different."""
    head = exchange.head
    asked = head.host if host is None else host
    try:
        snapshot.router.match(asked, method or exchange.method, path or exchange.path, head.fields)
    except GatewayError:
        return False
    return True
