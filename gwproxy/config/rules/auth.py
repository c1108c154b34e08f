"""Who may ask, and how that is proved: what routes and [auth] say together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from gwproxy.config.auth import ApiKey, Authenticator, Jwt
from gwproxy.config.authenticators import Basic, Signature
from gwproxy.config.either import all_routes, needs, requires_auth
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean, show
from gwproxy.config.rules.header_names import no_credential
from gwproxy.config.rules.urls import discovered
from gwproxy.wire.fields import CODING, CONNECTION, FORWARDED_OTHER, HOP, IDENTITY, REQUESTS

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
SAMPLES: Final = frozenset({
    "demo-secret-demo-secret-demo-secret",
    "sha256:cf0b0d08f66b0c3ab9674fbb441def0a1d466df189a052e42c5a8c21599fa5a3",
})  # fmt: skip
"""Secrets that everybody can read in the examples."""
# RFC 9421 section 2.2, those of requests.
DERIVED: Final = ("@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query")
UNSEEN: Final = frozenset((HOP, CODING, CONNECTION, IDENTITY, FORWARDED_OTHER))
_LOOPBACK: Final = ("127.", "localhost:", "[::1]:", "unix:")


def authentication(loaded: Loaded) -> Iterator[Problem]:
    """Who may ask is said by every route, and not in two ways."""
    known = bool(loaded.config.auth.methods)
    for key, route in all_routes(loaded.config):
        where = (*key, "requires_auth")
        if needs(route) and route.requires_auth is False:
            yield loaded.problem("auth_contradicted", where, found="false", hint="leave out one of the two")
        elif known and route.requires_auth is None and not needs(route):
            yield loaded.problem("auth_unsaid", where, expected="true or false")
        elif not known and requires_auth(route):
            hint = "no caller can prove who it is: write an [auth.NAME], or every request is answered 401"
            yield loaded.problem("nobody_can_enter", where, hint=hint)


def permissions(loaded: Loaded) -> Iterator[Problem]:
    """Routes want permissions by name: only callers have whole prefixes of them."""
    for key, route in all_routes(loaded.config):
        for word, names in (("permissions", route.permissions), ("permissions_all", route.permissions_all)):
            for index, name in enumerate(names):
                if name.endswith("*"):
                    where = (*key, word, index)
                    hint = "name what is needed here; the * belongs to what a role or a caller has"
                    yield loaded.problem("bad_permission", where, found=loaded.shown(where, name), hint=hint)


def tiers(loaded: Loaded) -> Iterator[Problem]:
    """Where there are tiers every known caller should have one."""
    auth = loaded.config.auth
    if loaded.config.tiers and auth.methods and auth.default_tier is None:
        hint = "callers whose credential names no tier may ask public routes only; name one here"
        yield loaded.problem("tier_unsaid", ("auth", "default_tier"), hint=hint)


def key_sources(loaded: Loaded) -> Iterator[Problem]:
    """Tokens are verified with something."""
    for name, method in loaded.config.auth.methods.items():
        if isinstance(method, Jwt) and discovered(method) and method.issuer is None:
            expected = "one of key, key_file, jwks, issuer"
            yield loaded.problem("no_keys", ("auth", name), expected=expected)


def credentials(loaded: Loaded) -> Iterator[Problem]:
    """A credential comes in a header or a cookie that a caller can send."""
    for name, method in loaded.config.auth.methods.items():
        if not isinstance(method, Jwt | ApiKey):
            continue
        kind, _, what = method.source.partition(":")
        hint = ""
        if kind != "query" and _TOKEN.fullmatch(what) is None:
            hint = f"this is no name of a {kind}"
        elif kind == "header":
            hint = no_credential(what, cookies='write "cookie:NAME", with the name of the cookie')
        elif kind == "query" and not re.fullmatch(r"[A-Za-z0-9._~-]+", what):
            hint = "letters, digits, '.', '_', '~' and '-' only"
        if hint:
            key = ("auth", name, "from")
            yield loaded.problem("bad_header", key, found=loaded.shown(key, method.source), hint=hint)


def repeated_keys(loaded: Loaded) -> Iterator[Problem]:
    """A key stands for one caller."""
    seen: dict[str, tuple[str | int, ...]] = {}
    for name, method in loaded.config.auth.methods.items():
        for index, entry in enumerate(method.keys if isinstance(method, ApiKey) else ()):
            key = ("auth", name, "keys", index, "hash")
            if entry.hash in seen:
                hint = f"first at {loaded.places.find(seen[entry.hash])}"
                yield loaded.problem("key_twice", key, found=show(entry.hash), hint=hint)
            seen.setdefault(entry.hash, key)


def repeated_users(loaded: Loaded) -> Iterator[Problem]:
    """A name stands for one user of an authenticator."""
    for name, method in loaded.config.auth.methods.items():
        seen: dict[str, int] = {}
        for index, user in enumerate(method.users if isinstance(method, Basic) else ()):
            key = ("auth", name, "users", index, "name")
            # As they are compared: two spellings of one name are one.
            plain = unicodedata.normalize("NFC", user.name)
            if plain in seen:
                hint = f"first at {loaded.places.find(('auth', name, 'users', seen[plain], 'name'))}"
                yield loaded.problem("user_twice", key, found=loaded.shown(key, user.name), hint=hint)
            seen.setdefault(plain, index)


def signers(loaded: Loaded) -> Iterator[Problem]:
    """A keyid stands for one key; what is required can be covered; a nonce is remembered by one process."""
    workers = loaded.config.gateway.workers
    for name, method in loaded.config.auth.methods.items():
        if not isinstance(method, Signature):
            continue
        seen: dict[str, int] = {}
        for index, signer in enumerate(method.keys):
            key: Key = ("auth", name, "keys", index, "keyid")
            if signer.keyid in seen:
                hint = f"first at {loaded.places.find(('auth', name, 'keys', seen[signer.keyid], 'keyid'))}"
                yield loaded.problem("key_twice", key, found=loaded.shown(key, signer.keyid), hint=hint)
            seen.setdefault(signer.keyid, index)
        for index, component in enumerate(method.components):
            fault = _uncoverable(component)
            if fault:
                key = ("auth", name, "components", index)
                yield loaded.problem("bad_component", key, found=loaded.shown(key, component), hint=fault)
        if method.nonce and workers != 1:
            hint = "each worker takes a signature once: keep max_age short, or serve with one"
            yield loaded.problem("nonces_apart", ("auth", name, "nonce"), found="true", hint=hint)


def _uncoverable(component: str) -> str:
    """Why no signature of a request can cover this, as a cure; empty where one can."""
    if component == "@query-param":
        return "it has no value of its own: write @query"
    if component.startswith("@"):
        return "" if component in DERIVED else did_you_mean(component, DERIVED)
    kind = REQUESTS.kind(component.encode())
    return "fields of this name do not reach the gateway's checks" if kind in UNSEEN else ""


def samples(loaded: Loaded) -> Iterator[Problem]:
    """What the examples have for a secret is none: it must not be believed where others can connect."""
    open_ = [place for place in loaded.config.gateway.listen if not place.startswith(_LOOPBACK)]
    for name, method in loaded.config.auth.methods.items():
        for word, secret in _secrets(method):
            if secret in SAMPLES and open_:
                hint = f"the gateway listens on {open_[0]}: make a secret of your own"
                yield loaded.problem("sample_secret", ("auth", name, *word), hint=hint)


def _secrets(method: Authenticator) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(method, Jwt):
        yield ("key",), method.key or ""
    elif isinstance(method, ApiKey):
        yield from ((("keys", index, "hash"), entry.hash) for index, entry in enumerate(method.keys))
