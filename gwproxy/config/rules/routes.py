"""What a route or an aggregation says besides its path: methods, headers, who may ask, how it answers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Final

from gwproxy.config.either import all_routes
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean, show
from gwproxy.config.routes import FORWARDING_KEYS, Aggregation, Route
from gwproxy.wire.fields import IDENTITY, KEEP, REQUESTS, TENANT

# What httptools reads in a request line. CONNECT and TRACE are not among them: no route ever gets those.
METHODS: Final = frozenset({
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PURGE", "LINK", "UNLINK",
    "SOURCE", "COPY", "LOCK", "UNLOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "BIND",
    "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY",
    "SUBSCRIBE", "UNSUBSCRIBE", "MKCALENDAR",
})  # fmt: skip
# Framing and the connection are the gateway's own (RFC 9112 section 6, RFC 9110 section 7.6.1).
FRAMING: Final = frozenset({
    "connection", "content-length", "transfer-encoding", "keep-alive", "te", "trailer", "upgrade",
    "proxy-connection", "date",
})  # fmt: skip
_HOOK: Final = re.compile(r"python:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def methods(loaded: Loaded) -> Iterator[Problem]:
    """Every method is one that can reach the gateway."""
    for key, name in _named_methods(loaded):
        if name not in METHODS and not (name == "*" and key[0] == "routes"):
            hint = "it never reaches a route" if name in ("CONNECT", "TRACE") else _nearest_method(name)
            yield loaded.problem("unknown_method", key, found=loaded.shown(key, name), hint=hint)


def repeated_methods(loaded: Loaded) -> Iterator[Problem]:
    """To name a method once is enough."""
    for index, route in enumerate(loaded.config.routes):
        for place, name in enumerate(route.methods):
            if name in route.methods[:place]:
                key = ("routes", index, "methods", place)
                yield loaded.problem("no_effect", key, found=loaded.shown(key, name), hint="named already")


def is_method(name: str, route: Route | Aggregation) -> bool:
    """Whether a route can be for this method; any, "*", is nothing that an aggregation may ask its services for."""
    return name in METHODS or (name == "*" and isinstance(route, Route))


def _nearest_method(name: str) -> str:
    return did_you_mean(name.upper(), sorted(METHODS))


def _named_methods(loaded: Loaded) -> Iterator[tuple[Key, str]]:
    for key, route in all_routes(loaded.config):
        if isinstance(route, Route) and route.methods:
            yield from (((*key, "methods", index), name) for index, name in enumerate(route.methods))
        else:
            yield (*key, "method"), route.method
        for index, part in enumerate(route.parts if isinstance(route, Aggregation) else ()):
            yield (*key, "parts", index, "method"), part.method


def headers(loaded: Loaded) -> Iterator[Problem]:
    """A fixed answer does not set what frames it."""
    for index, route in enumerate(loaded.config.routes):
        for name in route.respond.headers if route.respond else ():
            if name.lower() in FRAMING:
                key: Key = ("routes", index, "respond", "headers", name)
                yield loaded.problem("bad_header", key, found=show(name), hint="the gateway itself sets it")


def conditions(loaded: Loaded) -> Iterator[Problem]:
    """A condition names each header once, and one that reaches the router: the others would never hold."""
    for index, route in enumerate(loaded.config.routes):
        seen: set[str] = set()
        for name in route.headers:
            hint = "names of headers are alike in any case" if name.lower() in seen else no_condition(name)
            if hint:
                key: Key = ("routes", index, "headers", name)
                yield loaded.problem("bad_header", key, found=show(name), hint=hint)
            seen.add(name.lower())


def no_condition(name: str) -> str:
    """Why a header can choose no route and name no caller; empty where it can."""
    kind = REQUESTS.kind(name.lower().encode())
    if kind in (IDENTITY, TENANT):
        return "who calls is for the gateway to say: from callers, this header is dropped in every spelling"
    return "" if kind == KEEP else "this header is the gateway's own: what a caller sends in it is not kept"


def bodies(loaded: Loaded) -> Iterator[Problem]:
    """Answers of some statuses have no body (RFC 9110 sections 15.3.5 and 15.4.5)."""
    for index, route in enumerate(loaded.config.routes):
        if route.respond and route.respond.body and route.respond.status in (204, 304):
            key = ("routes", index, "respond", "body")
            yield loaded.problem("no_effect", key, hint=f"an answer with {route.respond.status} has no body")


def without_service(loaded: Loaded) -> Iterator[Problem]:
    """Keys of forwarding do nothing on a route that no service answers."""
    for index, route in enumerate(loaded.config.routes):
        if route.service is None and (route.respond or route.redirect):
            for name in sorted(FORWARDING_KEYS):
                if ("routes", index, name) in loaded.places:
                    yield loaded.problem(
                        "no_effect", ("routes", index, name), hint="no service answers this route"
                    )


def merges(loaded: Loaded) -> Iterator[Problem]:
    """A merge is a hook or an expression; the latter is compiled where JMESPath is installed."""
    for index, aggregation in enumerate(loaded.config.aggregations):
        fault = _merge_fault(aggregation.merge) if aggregation.merge else ""
        if fault:
            key = ("aggregations", index, "merge")
            # What JMESPath says quotes the expression.
            hint = "" if key in loaded.templates else fault
            yield loaded.problem("bad_merge", key, found=loaded.shown(key, aggregation.merge), hint=hint)


def _merge_fault(merge: str) -> str:
    if merge.startswith("python:"):
        return "" if _HOOK.fullmatch(merge) else "write python:package.module:function"
    try:
        jmespath = importlib.import_module("jmespath")
    except ImportError:
        return ""
    try:
        jmespath.compile(merge)
    except ValueError as error:
        return " ".join(str(error).split("\n")[0].split())
    return ""
