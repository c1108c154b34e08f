"""Ways to prove who is calling that somebody else judges."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.auth import ApiKey, Authenticator, Jwt
from gwproxy.config.authenticators import Basic, ForwardAuth, Signature
from gwproxy.config.either import all_routes
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean
from gwproxy.config.rules.header_names import no_credential
from gwproxy.config.rules.urls import SERVICE, url_fault


def sent(loaded: Loaded) -> Iterator[Problem]:
    """There is something to judge, in headers that callers can send."""
    for name, method in _asked(loaded):
        if not method.send and not method.cookies:
            hint = "name a header in send, or a cookie in cookies"
            yield loaded.problem("nothing_to_judge", ("auth", name, "send"), hint=hint)
        for index, header in enumerate(method.send):
            key: Key = ("auth", name, "send", index)
            elsewhere = "name the cookies that are the credential in cookies"
            hint = no_credential(header, cookies=elsewhere, signatures=True)
            if hint:
                yield loaded.problem("bad_header", key, found=loaded.shown(key, header), hint=hint)


def urls(loaded: Loaded) -> Iterator[Problem]:
    """Who is asked can be connected to."""
    for name, method in _asked(loaded):
        fault = url_fault(method.url, SERVICE) if method.url is not None else ""
        if fault:
            key: Key = ("auth", name, "url")
            yield loaded.problem("bad_url", key, found=loaded.shown_url(key, method.url or ""), hint=fault)


def services(loaded: Loaded) -> Iterator[Problem]:
    """Who is asked, where it is a service, exists."""
    known = loaded.config.services
    for name, method in _asked(loaded):
        if method.service is not None and method.service not in known:
            key: Key = ("auth", name, "service")
            found, hint = loaded.shown(key, method.service), did_you_mean(method.service, known)
            yield loaded.problem("unknown_service", key, found=found, hint=hint)


def overlaps(loaded: Loaded) -> Iterator[Problem]:
    """No route takes a credential for two: whoever sends it would have sent two, which proves nothing."""
    methods = loaded.config.auth.methods
    for where, route in all_routes(loaded.config):
        taken = [name for name in methods if not route.auth or name in route.auth] if where[0] != "gateway" else []
        for at, name in enumerate(taken):
            others = [other for other in taken[:at] if _overlap(methods[name], methods[other])]
            if others:
                hint = f"both judge {_overlap(methods[name], methods[others[0]])}: name one of them in the route's auth"
                yield loaded.problem("auth_overlaps", (*where, "auth"), found=f"{others[0]} and {name}", hint=hint)
                break


def _overlap(one: Authenticator, other: Authenticator) -> str:
    """What both look at, where one of them has it judged by somebody else; empty where there is nothing."""
    if not isinstance(one, ForwardAuth) and not isinstance(other, ForwardAuth):
        return ""
    if isinstance(one, ForwardAuth) and isinstance(other, ForwardAuth) and _places(one) == _places(other):
        # The same question to two: one after the other is asked.
        return ""
    return next(iter(sorted(_places(one) & _places(other))), "")


def _places(method: Authenticator) -> set[str]:
    if isinstance(method, ForwardAuth):
        return {f"header:{name.lower()}" for name in method.send} | {f"cookie:{name}" for name in method.cookies}
    if isinstance(method, Jwt | ApiKey):
        kind, _, name = method.source.partition(":")
        return {f"header:{name.lower()}" if kind == "header" else method.source}
    if isinstance(method, Basic):
        return {"header:authorization"}
    return {"header:signature", "header:signature-input"} if isinstance(method, Signature) else set()


def _asked(loaded: Loaded) -> Iterator[tuple[str, ForwardAuth]]:
    for name, method in loaded.config.auth.methods.items():
        if isinstance(method, ForwardAuth):
            yield name, method
