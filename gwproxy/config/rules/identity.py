"""How services are told who is calling."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.credentials import OwnCredentials
from gwproxy.config.either import identity_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.wire.fields import IDENTITY, KEEP, REQUESTS, folded


def key(loaded: Loaded) -> Iterator[Problem]:
    """Tokens are signed with something."""
    identity = loaded.config.identity
    if identity.key is None and identity.key_file is None and list(_told_by_token(loaded)):
        yield loaded.problem("no_signing_key", ("identity",), expected="one of key, key_file")


def header(loaded: Loaded) -> Iterator[Problem]:
    """The token's header is none that means something else already."""
    written, where = loaded.config.identity.header, ("identity", "header")
    if REQUESTS.kind(written.lower().encode()) not in (KEEP, IDENTITY):
        hint = "the gateway reads or writes this header for other ends: name another"
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


def _told_by_token(loaded: Loaded) -> Iterator[str]:
    for name, service in loaded.config.services.items():
        if identity_of(loaded.config, service) == "jwt":
            yield name


def _header_of(own: OwnCredentials) -> str:
    return own.header.name if own.header is not None else "Authorization"
