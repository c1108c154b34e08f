"""What CORS and address rules make of one request, in the words of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gwproxy.cli.told import by_name
from gwproxy.config.either import route_at
from gwproxy.config.loaded import Loaded
from gwproxy.exchange import Exchange
from gwproxy.snapshot.entrance import Matched, Preflights
from gwproxy.snapshot.types import CompiledRoute, Snapshot
from gwproxy.steps.addresses import door_of
from gwproxy.steps.cors import METHOD, ORIGIN, Policy, is_preflight

_MOST_NAMED = 3


def preflight_of(snapshot: Snapshot, exchange: Exchange) -> Matched | None:
    """The route that a request is a preflight for; None where it is none that the gateway answers.

    Raises GatewayError where the request that it is about would have no route.
    """
    head = exchange.head
    if not is_preflight(exchange.method, head.fields):
        return None
    return Preflights(snapshot.router, snapshot.versions).about(head.host, exchange.path, head.fields)


def leave(loaded: Loaded, exchange: Exchange, route: CompiledRoute) -> dict[str, Any]:
    """The answer to a preflight, as an Explanation has it: verdict, status, why, fields, answer."""
    assert route.cors is not None
    policy = Policy(route.cors)
    objection = policy.objection(exchange.head.fields)
    lines = policy.respond(exchange).lines.decode("utf-8", "backslashreplace").splitlines()
    fields = by_name(line.split(": ", 1) for line in lines if not line.startswith("Date: "))
    method = (exchange.head.fields.get(METHOD) or b"").decode("utf-8", "backslashreplace")
    return {
        "verdict": f"204 by the gateway itself: {'no leave' if objection else 'leave'} to ask {method}",
        "status": 204,
        "why": f"{_key(loaded, route)}.{objection}" if objection else "",
        "fields": fields,
        "answer": {"kind": "preflight", "status": 204, "says": "preflight 204"},
    }


def who_may_read(loaded: Loaded, exchange: Exchange, route: CompiledRoute) -> str:
    """Whether the page that asks may read the answer; empty where no page asks, or nothing is said of it."""
    origin = exchange.head.fields.get(ORIGIN)
    if route.cors is None or origin is None:
        return ""
    shown = origin.decode("utf-8", "backslashreplace")
    if Policy(route.cors).lets_in(origin):
        return f"pages of {shown} may read the answer"
    return f"pages of {shown} may not read the answer: {_key(loaded, route)}.allow_origins lacks it"


def lets_in(route: CompiledRoute | None, address: str) -> bool:
    """Whether a client of this address gets past the rules of a route."""
    return route is None or door_of(route.addresses).lets_in(address)


def who_is_let_in(loaded: Loaded, route: CompiledRoute) -> Iterator[str]:
    """The address rules of a route, one after another."""
    own = route_at(loaded.config, route.where).addresses
    for rule in route.addresses:
        lists = (("only", rule.allow), ("not", rule.deny))
        said = ", ".join(f"{word} {_named(networks)}" for word, networks in lists if networks)
        yield f"{said} ({f'{route.key}.' if rule is own else ''}addresses)"


def _named(networks: tuple[str, ...]) -> str:
    more = f" and {len(networks) - _MOST_NAMED} more" if len(networks) > _MOST_NAMED else ""
    return ", ".join(networks[:_MOST_NAMED]) + more


def _key(loaded: Loaded, route: CompiledRoute) -> str:
    own = route_at(loaded.config, route.where).cors
    return "cors" if own is None else f"{route.key}.cors"
