"""URLs, wherever a file has one: what each may be made of, and a cure where it is made of something else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from gwproxy.config.auth import Jwt
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean
from gwproxy.config.rules.addresses import is_host


class Form(NamedTuple):
    """What URLs of one use have besides a host and a port. No schemes: any will do."""

    schemes: tuple[str, ...] = ()
    user: bool = False
    query: bool = False
    path: bool = True
    several_hosts: bool = False


SERVICE: Final = Form(("http", "https", "http+unix"))
PAGE: Final = Form(("http", "https"), query=True)
ISSUER: Final = Form(("http", "https"))
ORIGIN: Final = Form(path=False)

STATES: Final = ("memory", "embedded", "redis", "rediss", "unix", "redis+cluster", "redis+sentinel")
# Schemes whose place is in this process, or beside it: nothing is to be said after them.
_PLACELESS: Final = ("memory", "embedded")
_SOCKETS: Final = ("http+unix", "unix")
_SEVERAL: Final = ("redis+cluster", "redis+sentinel")

_VISIBLE: Final = re.compile(r"[\x21-\x7e]*")
_ENCODE: Final = "blanks, control characters and letters beyond ASCII must be percent-encoded"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# RFC 3986 section 3.3: pchar and the slash.
_PATH: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")


def services(loaded: Loaded) -> Iterator[Problem]:
    """Services' addresses must be ones that the gateway can connect to."""
    for name, service in loaded.config.services.items():
        for index, target in enumerate(service.targets):
            yield from _told(loaded, ("services", name, "targets", index, "url"), target.url, SERVICE)
        if service.url is not None:
            yield from _told(loaded, ("services", name, "url"), service.url, SERVICE)


def state(loaded: Loaded) -> Iterator[Problem]:
    """The state store has one of the known schemes, and what belongs to it."""
    url = loaded.config.state.url
    fault = state_fault(url) if url else ""
    if fault:
        key = ("state", "url")
        yield loaded.problem("bad_url", key, found=loaded.shown_url(key, url), hint=fault)


def key_sets(loaded: Loaded) -> Iterator[Problem]:
    """A JSON Web Key Set is at an http(s) address, or in a file; an issuer that is asked for one has an address."""
    for name, method in loaded.config.auth.methods.items():
        if isinstance(method, Jwt) and method.jwks and not is_file(method.jwks):
            yield from _told(loaded, ("auth", name, "jwks"), method.jwks, PAGE)
        elif isinstance(method, Jwt) and method.issuer and discovered(method):
            yield from _told(loaded, ("auth", name, "issuer"), method.issuer, ISSUER)


def redirects(loaded: Loaded) -> Iterator[Problem]:
    """A redirect leads to a path of the same host, or to an http(s) address."""
    for index, route in enumerate(loaded.config.routes):
        to = route.redirect.to if route.redirect else "/"
        fault = _redirect_fault(to)
        if fault:
            key = ("routes", index, "redirect", "to")
            yield loaded.problem("bad_url", key, found=loaded.shown_url(key, to), hint=fault)


def _redirect_fault(to: str) -> str:
    if to[:2] in ("//", "/\\"):
        # RFC 3986 section 4.2; browsers read a backslash as a slash.
        return "this leads to another host: begin a path with one /, or write https:// before the host"
    if to.startswith("/"):
        return "" if _VISIBLE.fullmatch(to) else _ENCODE
    if not to.lower().startswith(("http://", "https://")):
        return "write a path that begins with /, or an http(s) address"
    return url_fault(to.partition("#")[0], PAGE)


def discovered(method: Jwt) -> bool:
    """Whether nothing but the issuer says where keys are."""
    return method.key is None and method.key_file is None and method.jwks is None


def is_file(jwks: str) -> bool:
    """Whether a key set is in a file: its text does not begin as a URL does."""
    scheme, colon, _ = jwks.partition(":")
    return jwks.isprintable() and not (colon and _SCHEME.fullmatch(scheme))


def state_fault(url: str) -> str:
    """Why a state store's URL is unusable, as a cure; empty where it is usable."""
    scheme = url.partition(":")[0].lower()
    if "://" not in url or scheme not in STATES:
        meant = did_you_mean(scheme, STATES) if "://" in url else ""
        return meant or f"write one of {', '.join(STATES)} before ://"
    if scheme in _PLACELESS:
        return "" if url.endswith("://") else f"write {scheme}:// and nothing behind it"
    form = Form(STATES, user=True, query=scheme == "unix", several_hosts=scheme in _SEVERAL)
    return url_fault(url, form) or _database_fault(scheme, urlsplit(url))


def _database_fault(scheme: str, parts: SplitResult) -> str:
    if scheme == "unix":
        return "" if re.fullmatch(r"(db=\d+)?", parts.query) else "after ? stands the database: db=0"
    words = parts.path.split("/")[1:]
    if scheme == "redis+sentinel":
        if not words or not words[0]:
            return "name the primary: redis+sentinel://host:26379,host:26379/NAME"
        words = words[1:]
    if scheme == "redis+cluster":
        return "" if words in ([], [""], ["0"]) else "a cluster has no databases but 0"
    return "" if not words or re.fullmatch(r"\d*", "/".join(words)) else "the database at the end is a number"


def url_fault(url: str, form: Form = SERVICE) -> str:
    """Why a URL is unusable, as a cure without what stands in it; empty where it is usable."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "its host cannot be read"
    if "://" not in url or (parts.scheme not in form.schemes if form.schemes else not parts.scheme):
        return f"write {_listed(form.schemes) or 'a scheme such as https'} before ://"
    if not _VISIBLE.fullmatch(url):
        return _ENCODE
    if "#" in url or ("?" in url and not form.query):
        return "leave out the fragment" if form.query else "leave out the query and the fragment"
    if "@" in parts.netloc and not form.user:
        return "leave out user and password"
    if parts.path and not form.path:
        return "leave out the path"
    where = parts.netloc.rpartition("@")[2]
    if parts.scheme in _SOCKETS:
        return "" if not where and len(parts.path) > 1 else f"write {parts.scheme}:///path/to.sock"
    hosts = where.split(",") if form.several_hosts else [where]
    fault = next(filter(None, map(_host_fault, hosts)), "")
    return fault or ("" if _PATH.fullmatch(parts.path) else "percent-encode what is special in its path")


def _listed(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _host_fault(written: str) -> str:
    host, bracket, rest = written[1:].partition("]") if written[:1] == "[" else ("", "", written)
    name, colon, port = rest.partition(":")
    if not (host or name):
        return "name a host after ://"
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return "a port is a number from 1 to 65535"
    known = ":" in host and not name and is_host(host) if bracket else is_host(name)
    return "" if known else _name_fault(name)


def _name_fault(name: str) -> str:
    if "*" in name:
        return "a * stands for nothing here: write the host out"
    if any(len(label) > 63 for label in name.split(".")) or len(name) > 253:
        return "its host is too long: a label may have 63 characters, and all together 253"
    return "its host is no name and no address"


def _told(loaded: Loaded, key: Key, url: str, form: Form) -> Iterator[Problem]:
    fault = url_fault(url, form)
    if fault:
        yield loaded.problem("bad_url", key, found=loaded.shown_url(key, url), hint=fault)
