"""What an authenticator is written with and can never believe, or believes too easily."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final, TypeVar
from urllib.parse import urlsplit

from gwproxy.config.auth import ApiKey, Jwt
from gwproxy.config.authenticators import Basic, ForwardAuth, Signature
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, dotted
from gwproxy.config.rules.urls import discovered, is_file

_OF_SECRETS: Final = "HS"
_PEM: Final = b"-----BEGIN "
# Components of which one is enough to tell a request from one with another path.
_WITH_PATH: Final = ("@path", "@target-uri", "@request-target")
# Names that no resolver of the open internet knows.
_NEAR: Final = ("local", "localhost", "internal", "svc")

M = TypeVar("M")


def algorithms(loaded: Loaded) -> Iterator[Problem]:
    """What believes an algorithm has a key that can be of it: a secret for HS…, and that is in no fetched set."""
    for name, method in _sound(loaded, Jwt):
        fetched = method.jwks is not None and not is_file(method.jwks)
        if fetched or (discovered(method) and method.issuer is not None):
            vain, why = True, "secrets in a fetched key set are never believed"
        else:
            text = _key_of(loaded, name, method)
            if not text:
                continue
            vain = _PEM in text
            why = f"its key is a {'public key' if vain else 'shared secret'}"
        key: Key = ("auth", name, "algorithms")
        unheld = [each.startswith(_OF_SECRETS) is vain for each in method.algorithms]
        if all(unheld):
            # Of a key that the file itself has, the key is told to be unusable.
            if fetched or discovered(method):
                hint = f"{why}: write the secret in key or key_file, or an algorithm of public keys"
                yield loaded.problem("no_keys", key, hint=hint)
            continue
        for index, each in enumerate(method.algorithms):
            if unheld[index]:
                where = (*key, index)
                yield loaded.problem("no_effect", where, found=loaded.shown(where, each), hint=why)


def in_the_clear(loaded: Loaded) -> Iterator[Problem]:
    """Keys that come from afar come by TLS: who can change them on the way lets in whom he likes."""
    for name, method in _sound(loaded, Jwt):
        word, url = ("jwks", method.jwks) if method.jwks is not None else ("issuer", method.issuer)
        fetched = not is_file(url or "") if word == "jwks" else discovered(method)
        if url and fetched and url.lower().startswith("http:") and not _is_near(url):
            key: Key = ("auth", name, word)
            hint = "who can change them on the way decides who is let in: write https"
            yield loaded.problem("keys_in_the_clear", key, found=loaded.shown_url(key, url), hint=hint)


def nobody_known(loaded: Loaded) -> Iterator[Problem]:
    """Somebody has a key, or a password."""
    for name, method in _sound(loaded, ApiKey):
        if not method.keys and not method.store:
            yield from _nobody(loaded, name, "keys", method.keys_file, ", keys_file or store = true")
    for name, basic in _sound(loaded, Basic):
        if not basic.users:
            yield from _nobody(loaded, name, "users", basic.users_file, " or users_file")


def _nobody(loaded: Loaded, name: str, word: str, file: str | None, more: str) -> Iterator[Problem]:
    where: Key = ("auth", name, f"{word}_file")
    if file is None:
        hint = f"it knows no {word}: write [[{dotted(('auth', name, word))}]]{more}"
        yield loaded.problem("nobody_can_enter", ("auth", name), hint=hint)
    else:
        hint = f"there is no [[{word}]] in it"
        yield loaded.problem("nobody_can_enter", where, found=loaded.shown_path(where, file), hint=hint)


def covered(loaded: Loaded) -> Iterator[Problem]:
    """A signature is of one path: else whoever has seen one can ask for anything with it."""
    for name, method in _sound(loaded, Signature):
        if not set(method.components).intersection(_WITH_PATH):
            hint = 'name "@path", or "@target-uri", so that it fits no other path'
            yield loaded.problem("covers_too_little", ("auth", name, "components"), hint=hint)


def one_header(loaded: Loaded) -> Iterator[Problem]:
    """Who somebody is does not also say what it may."""
    for name, method in _sound(loaded, ForwardAuth):
        said = method.identity
        for word in ("role", "permissions", "tier"):
            if getattr(said, word).lower() == said.id.lower():
                key: Key = ("auth", name, "identity", word)
                hint = f"the same says the {word} and the caller's id"
                yield loaded.problem("header_twice", key, found=loaded.shown(key, getattr(said, word)), hint=hint)


def _sound(loaded: Loaded, kind: type[M]) -> Iterator[tuple[str, M]]:
    """The authenticators of a kind that have nothing of a stand-in."""
    for name, method in loaded.config.auth.methods.items():
        if isinstance(method, kind) and not loaded.unsound.touches(("auth", name)):
            yield name, method


def _key_of(loaded: Loaded, name: str, method: Jwt) -> bytes:
    """The text of the one key that a file has; empty where it has a set, or none that could be read."""
    if method.key is not None:
        return method.key.encode()
    return loaded.contents.get(dotted(("auth", name, "key_file")), b"") if method.key_file is not None else b""


def _is_near(url: str) -> bool:
    """Whether what is asked is this machine, or has an address that only a network of one's own can have."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        # This is told by another rule.
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.rpartition(".")[2] in _NEAR
