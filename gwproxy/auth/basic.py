"""Names and passwords in Authorization (RFC 7617).

Verifying a password takes a fifth of a second, so it is done in a thread, once, and what was verified is believed for
some minutes (auth/table.py), by a hash of the credential: no table holds a password.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from gwproxy.auth.method import Later
from gwproxy.auth.passwords import PasswordHash, nobodys, normal
from gwproxy.auth.places import AUTHORIZATION, Header, Place
from gwproxy.auth.principal import Principal, Proof, Unproved
from gwproxy.auth.source import Watcher
from gwproxy.auth.table import Proofs
from gwproxy.auth.threads import Threads
from gwproxy.drive import Turns
from gwproxy.exchange import Exchange

LONGEST: Final = 1024
"""Bytes of a credential: more are not looked at."""

PLACE: Final[Place] = Header(AUTHORIZATION.decode(), (b"basic",))


class KnownUser(NamedTuple):
    """One user: the hash of its password, and whom it stands for."""

    password: PasswordHash
    principal: Principal


class Basic:
    """The users of one authenticator, by name.

    A name that nobody has costs as much time as one that somebody has: its password is compared with nobody's hash.
    """

    __slots__ = (
        "_key", "_nobody", "_proofs", "_remember_s", "_threads", "_under_way", "_users", "challenge", "name", "place",
    )  # fmt: skip

    turns: Turns | None = None

    def __init__(
        self, name: str, realm: str, users: Mapping[str, KnownUser], threads: Threads, remember_s: float = 300.0
    ) -> None:
        self.name = name
        self.place = PLACE
        # RFC 7617 section 2.1: how names and passwords are to be encoded.
        self.challenge = b'Basic realm="%b", charset="UTF-8"' % realm.encode()
        self._users = {normal(each): user for each, user in users.items()}
        self._nobody = nobodys(_usual(user.password for user in users.values()))
        self._threads = threads
        self._remember_s = remember_s
        self._proofs = Proofs()
        self._under_way: dict[bytes, asyncio.Future[bool]] = {}
        self._key = os.urandom(32)

    def known(self, credential: bytes, now: float) -> Proof | None:
        """The proof of a password that was verified lately."""
        return self._proofs.get(self._digest(credential), now)

    def watch(self, watcher: Watcher) -> None:
        """Users change with the configuration only."""

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Later:
        """Verify a password. Raises Unproved at once for what is no name with a password."""
        name, password = _taken_apart(credential)
        return Later(lambda: self._prove(name, password, self._digest(credential), now))

    async def _prove(self, name: str, password: bytes, digest: bytes, now: float) -> Proof:
        user = self._users.get(name)
        held = user.password if user is not None else self._nobody
        if not await asyncio.shield(self._verified(digest, held, password)) or user is None:
            raise Unproved("unknown user, or another password")
        proof = Proof(user.principal, now + self._remember_s)
        self._proofs.add(digest, proof)
        return proof

    def _verified(self, digest: bytes, held: PasswordHash, password: bytes) -> asyncio.Future[bool]:
        """The verdict of a thread, one for all who send the same while it is under way. Raises Overloaded."""
        future = self._under_way.get(digest)
        if future is None:
            future = self._under_way[digest] = self._threads.run(lambda: held.fits(password))
            future.add_done_callback(lambda _: self._under_way.pop(digest))
        return future

    def _digest(self, credential: bytes) -> bytes:
        return blake2b(credential, key=self._key, digest_size=32).digest()


def _taken_apart(credential: bytes) -> tuple[str, bytes]:
    """Name and password in their normal forms (RFC 7617 section 2). Raises Unproved."""
    if len(credential) > LONGEST:
        raise Unproved("longer than any name with a password")
    try:
        text = base64.b64decode(credential, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unproved("no base64 of UTF-8") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise Unproved("no colon between name and password")
    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in text):
        raise Unproved("a control character in name or password")
    return normal(name), normal(password).encode()


def _usual(hashes: Iterable[PasswordHash]) -> PasswordHash | None:
    """A hash of the cost that most have."""
    held = list(hashes)
    costs = Counter((each.ln, each.p) for each in held)
    return max(held, key=lambda each: costs[each.ln, each.p], default=None)
