"""Why a route won, and why the others did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gwproxy.config.loaded import Loaded
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange
from gwproxy.snapshot.types import Candidate, CompiledRoute, Leaf, Snapshot
from gwproxy.wire.path import split


def where(loaded: Loaded, route: CompiledRoute) -> dict[str, Any]:
    """A route's name and place, and what it matches in few words."""
    place = loaded.places.find(route.where)
    conditions = "".join(f" [{name.decode()}: {value.decode()}]" for name, value in route.conditions)
    hosts = "" if route.hosts in (("",), ("*",)) else f" on {', '.join(route.hosts)}"
    return {
        "key": route.key,
        "says": f"{','.join(route.methods)} {route.template}{conditions}{hosts}",
        "at": f"{place.file}:{place.line}:{place.column}",
        "path": route.template,
        "methods": list(route.methods),
        "hosts": list(route.hosts),
    }


def lost(loaded: Loaded, snapshot: Snapshot, exchange: Exchange, winner: CompiledRoute | None) -> list[str]:
    """Every route whose path matches but that does not answer, in the order in which they were tried."""
    lines: list[str] = []
    won: Leaf | None = None
    for leaf, candidate in _tried(snapshot, exchange):
        if candidate.route is winner:
            won = leaf
            continue
        reason = _mismatch(candidate, exchange) or _refuses_path(candidate, winner) or _outranked(leaf is won)
        told = where(loaded, candidate.route)
        lines.append(f"{told['key']}  {told['says']}  ({told['at']}): {reason}")
    return lines


def _tried(snapshot: Snapshot, exchange: Exchange) -> Iterator[tuple[Leaf, Candidate]]:
    try:
        _, segments, _ = split(exchange.path)
    except GatewayError:
        return
    # The router's own walk: a second one, written here, could come to another end than the data path.
    for leaf in snapshot.router._find(exchange.head.host, segments):
        for candidate in leaf.candidates:
            yield leaf, candidate


def _mismatch(candidate: Candidate, exchange: Exchange) -> str:
    if candidate.methods is not None and exchange.method not in candidate.methods:
        return f"not for {exchange.method.decode()}"
    for name, value in candidate.conditions:
        if value not in exchange.head.fields.get_all(name):
            return f"wants the header {name.decode()}: {value.decode()}"
    return ""


def _refuses_path(candidate: Candidate, winner: CompiledRoute | None) -> str:
    """Nothing stands against it but the path: had it none, it would be the winner, or behind it."""
    slashes = winner is None and not candidate.pass_slashes
    return 'takes no encoded slash (encoded_slashes = "refuse")' if slashes else ""


def _outranked(same_path: bool) -> str:
    if same_path:
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
    if any(True for _ in _tried(snapshot, exchange)):
        yield "a route has this path, but wants other headers"
        return
    yield f"no route {_of_host(snapshot, host)} has this path"
    other = path.rstrip(b"/") if path.endswith(b"/") else path + b"/"
    if other and _matches(snapshot, exchange, path=other):
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
