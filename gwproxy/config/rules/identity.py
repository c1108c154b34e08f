"""How services are told who is calling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gwproxy.config.credentials import OwnCredentials
from gwproxy.config.either import identity_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.config.rules.header_names import SIGNATURES, sent_anyway
from gwproxy.wire.fields import IDENTITY, KEEP, REQUESTS, folded

_OWN: Final = b"xgwproxyidentity"
_OF_TOKENS: Final = ("header", "algorithm", "key", "key_file", "key_id", "issuer", "audience", "ttl")


def key(loaded: Loaded) -> Iterator[Problem]:
    """Tokens are signed with something."""
    identity = loaded.config.identity
    if identity.key is None and identity.key_file is None and list(_told_by_token(loaded)):
        told: Key = ("services", next(_told_by_token(loaded)), "identity")
        if ("identity",) in loaded.places or told not in loaded.places:
            yield loaded.problem("no_signing_key", ("identity",), expected="one of key, key_file")
        else:
            hint = "write [identity] with key or key_file"
            yield loaded.problem("no_signing_key", told, found='"jwt"', hint=hint)


def header(loaded: Loaded) -> Iterator[Problem]:
    """The token's header is none that means something else already."""
    written, where = loaded.config.identity.header, ("identity", "header")
    kind = REQUESTS.kind(written.lower().encode())
    plain = kind == IDENTITY and folded(written.encode()) != _OWN
    if kind not in (KEEP, IDENTITY) or plain or written.lower() == "cookie":
        hint = "the gateway reads or writes this header for other ends: name another"
        yield loaded.problem("bad_header", where, found=loaded.shown(where, written), hint=hint)
    elif sent_anyway(written) or written.lower() in SIGNATURES:
        hint = "services read what callers send in it, which would be taken away: name another"
        yield loaded.problem("bad_header", where, found=loaded.shown(where, written), hint=hint)
    for name in _told_by_token(loaded):
        own = loaded.config.services[name].credentials
        if own is not None and folded(_header_of(own).encode()) == folded(written.encode()):
            theirs: Key = ("services", name, "credentials")
            hint = "[identity] has its token there"
            yield loaded.problem("bad_header", theirs, found=f'"{_header_of(own)}"', hint=hint)


def without_effect(loaded: Loaded) -> Iterator[Problem]:
    """Without a way to prove who is calling there is nobody to tell of."""
    known = loaded.config.auth.methods or ("auth",) in loaded.unsound.keys
    if ("identity",) in loaded.places and not known:
        yield loaded.problem("no_effect", ("identity",), hint="there is no [auth.NAME]: nobody is ever known")


def without_tokens(loaded: Loaded) -> Iterator[Problem]:
    """What says how a token is made does nothing where no service gets one."""
    if ("identity",) not in loaded.places or list(_told_by_token(loaded)) or loaded.config.identity.form == "jwt":
        return
    written = (("identity", "form"), *(("services", name, "identity") for name in loaded.config.services))
    if any(loaded.unsound.touches(key) for key in written) or not loaded.config.auth.methods:
        return
    for word in _OF_TOKENS:
        if ("identity", word) in loaded.places:
            hint = 'no service gets a token: write form = "jwt", here or as a service\'s identity'
            yield loaded.problem("no_effect", ("identity", word), hint=hint)


def _told_by_token(loaded: Loaded) -> Iterator[str]:
    for name, service in loaded.config.services.items():
        if identity_of(loaded.config, service) == "jwt":
            yield name


def _header_of(own: OwnCredentials) -> str:
    return own.header.name if own.header is not None else "Authorization"
