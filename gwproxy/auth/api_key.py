"""API keys: secrets of our own making, known by their hash only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

from gwproxy.auth.method import Later
from gwproxy.auth.places import Place
from gwproxy.auth.principal import Principal, Proof, Unproved
from gwproxy.auth.source import Watcher
from gwproxy.drive import Turns
from gwproxy.exchange import Exchange

LONGEST: Final = 512


class KnownKey(NamedTuple):
    """One key: its SHA-256, whom it stands for, and until when (seconds since 1970)."""

    digest: bytes
    principal: Principal
    until: float = float("inf")


class ApiKeys:
    """The keys of one authenticator.

    What is looked up is a hash that no caller can steer byte by byte, so that the time it takes tells nothing of the
    keys; the last comparison takes as long for every one. A plain hash is enough: a key is 256 random bits, which no
    dictionary holds, unlike a password.
    """

    __slots__ = ("_keys", "challenge", "name", "place")

    turns: Turns | None = None

    def __init__(self, name: str, place: Place, realm: str, keys: Iterable[KnownKey]) -> None:
        self.name = name
        self.place = place
        self.challenge = b'ApiKey realm="%b"' % realm.encode()
        self._keys = {key.digest: key for key in keys}

    def known(self, credential: bytes, now: float) -> Proof | None:
        """Nothing is cheaper than looking the key up."""
        return None

    def watch(self, watcher: Watcher) -> None:
        """Keys change with the configuration only."""

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Proof | Later:
        """Look a key up. Raises Unproved."""
        if len(credential) > LONGEST:
            raise Unproved("longer than any key")
        digest = hashlib.sha256(credential).digest()
        key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(digest, key.digest):
            raise Unproved("unknown key")
        if now >= key.until:
            raise Unproved("key has expired")
        return Proof(key.principal, key.until)
