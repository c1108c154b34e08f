"""CORS that does what it says: origins that browsers send, and no "*" where they would read it as a name."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.cors import ANY, NULL, SAFELISTED, Cors
from gwproxy.config.either import all_routes, methods_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, show
from gwproxy.config.rules.urls import ORIGIN, url_fault

_LISTS = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")


def origins(loaded: Loaded) -> Iterator[Problem]:
    """Origins are what browsers send: scheme, host, and a port at most (RFC 6454 section 6.2), "null", or "*"."""
    for key, cors in _all(loaded):
        for index, origin in enumerate(cors.allow_origins):
            fault = "" if origin in (ANY, NULL) else origin_fault(origin)
            if fault:
                where = (*key, "allow_origins", index)
                yield loaded.problem("bad_url", where, found=loaded.shown_url(where, origin), hint=fault)


def origin_fault(origin: str) -> str:
    """Why an origin is unusable, as a cure; empty where it is usable. "https://*.example.com" is."""
    scheme, star, domain = origin.partition("://*.")
    if "*" in (domain if star else origin):
        return 'a * stands for whole labels before a domain, as in "https://*.example.com"; alone it is any origin'
    if not star:
        return url_fault(origin, ORIGIN)
    if domain.replace(".", "").partition(":")[0].isdigit() or domain.startswith("["):
        return "nothing is below an address: *. stands before the name of a domain"
    return url_fault(f"{scheme}://{domain}", ORIGIN)


def credentials(loaded: Loaded) -> Iterator[Problem]:
    """With credentials "*" is any page that a user ever visits, or to a browser a name like others (Fetch, 3.3.5)."""
    for key, cors in _all(loaded):
        for name in _LISTS if cors.allow_credentials else ():
            for index, value in enumerate(getattr(cors, name)):
                where = (*key, name, index)
                if name == "allow_origins" and value in (ANY, NULL):
                    hint = "any page could act as its visitor: name the origins"
                elif value == ANY:
                    hint = "browsers take it for a name where there are credentials: name them one by one"
                else:
                    continue
                yield loaded.problem("cors_too_open", where, found=loaded.shown(where, value), hint=hint)


def without_origins(loaded: Loaded) -> Iterator[Problem]:
    """CORS without origins is none; that means something only where it puts another out of force."""
    for key, cors in _all(loaded):
        if not cors.allow_origins and (len(key) == 1 or loaded.config.cors is None):
            yield loaded.problem("no_effect", key, hint="no origin is let in without allow_origins")


def methods(loaded: Loaded) -> Iterator[Problem]:
    """A table that one route alone has lets pages ask with one of its methods at least."""
    shared = ("defaults", "routes", "cors") in loaded.places
    for key, route in () if shared else all_routes(loaded.config):
        cors, asked = route.cors, methods_of(route)
        if cors is None or not cors.allow_origins:
            continue
        if not {ANY, *SAFELISTED, *cors.allow_methods}.intersection(asked) and ANY not in cors.allow_methods:
            hint = f"no page may ask: add {' or '.join(map(show, asked))} to allow_methods"
            yield loaded.problem("no_effect", (*key, "cors"), hint=hint)


def _all(loaded: Loaded) -> Iterator[tuple[Key, Cors]]:
    if loaded.config.cors is not None:
        yield ("cors",), loaded.config.cors
    for key, route in all_routes(loaded.config):
        if route.cors is not None:
            yield (*key, "cors"), route.cors
