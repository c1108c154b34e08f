"""Requests that their callers signed (RFC 9421), and the bodies that they signed with them (RFC 9530).

A signature is of one request, so nothing is remembered. A body is held, whole and within a bound, before anything of
the request is forwarded: no service begins on what turns out to be another body than the one that was signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gwproxy.auth.method import Later
from gwproxy.auth.places import Place
from gwproxy.auth.principal import ONCE, Principal, Proof, Unproved
from gwproxy.auth.signatures.digest import ContentDigest
from gwproxy.auth.signatures.request import SignedRequest, signed_request
from gwproxy.auth.signatures.structured import Malformed
from gwproxy.auth.signatures.unverified import Unverified
from gwproxy.auth.signatures.verifier import Verifier
from gwproxy.auth.source import Watcher
from gwproxy.drive import Turns
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.wire.fields import Line
from gwproxy.wire.flow import Body, collect, whole

DIGEST: Final = "content-digest"
SLICE: Final = 64 << 10
"""Bytes of a body that are hashed in one turn of the loop: about as long as a signature takes."""
_NAMES: Final = (b"signature", b"signature-input")


class InSignature:
    """The two fields of a signature, as the place of a credential."""

    __slots__ = ()

    # What is proved is never remembered by its head (principal.ONCE); that a head has no signature may well be.
    remembered = True

    @property
    def names(self) -> frozenset[bytes] | None:
        """As Place's."""
        return frozenset(_NAMES)

    @property
    def where(self) -> tuple[object, ...]:
        """As Place's."""
        return ("signature",)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InSignature)

    def __hash__(self) -> int:
        return hash(InSignature)

    def find(self, exchange: Exchange) -> bytes | None:
        """What tells that the request is signed: b"", since all of the request is the credential."""
        for line in exchange.head.about.fields.kept:
            if line[1] in _NAMES:
                return b""
        return None

    def without(self, line: Line) -> bytes:
        """As Place's: services that verified the same signature would have to see the request as it came."""
        return b"" if line[1] in _NAMES else line[2]

    def query_without(self, query: bytes) -> bytes:
        """As Place's."""
        return query


PLACE: Final[Place] = InSignature()


class Signatures:
    """The signers of one authenticator, by the names of their keys. `max_body` is in bytes."""

    __slots__ = ("_max_body", "_signers", "_verifier", "challenge", "name", "place", "turns")

    def __init__(
        self, name: str, realm: str, verifier: Verifier, signers: Mapping[str, Principal], max_body: int,
        turns: Turns,
    ) -> None:  # fmt: skip
        self.name = name
        self.turns = turns
        self.place = PLACE
        self.challenge = b'Signature realm="%b"' % realm.encode()
        self._verifier = verifier
        self._signers = signers
        self._max_body = max_body

    def known(self, credential: bytes, now: float) -> Proof | None:
        """A signature is of one request: nothing is known of another."""
        return None

    def watch(self, watcher: Watcher) -> None:
        """Keys change with the configuration only."""

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Proof | Later:
        """Verify a signature, and the body where it covers that: an Awaitable where the body is still to come.

        Raises Unproved, and GatewayError (`body_too_large`).
        """
        sender = exchange.sender
        request = signed_request(exchange.head, sender.proto, sender.host)
        try:
            verified = self._verifier.examine(request, now)
        except Unverified as refusal:
            raise Unproved(refusal.reason) from None
        proof = Proof(self._signers[verified.keyid], ONCE)
        if DIGEST not in verified.covered:
            return proof
        digest = _digest(request)
        body = exchange.body
        if body is None:
            # Nothing was fed: it must be the digest of nothing.
            return _compared(digest, proof)
        self._bound(body)
        if body.done and body.size <= SLICE:
            digest.feed(_kept(exchange, body, body.take()))
            return _compared(digest, proof)
        return Later(lambda: self._when_whole(exchange, body, digest, proof))

    async def _when_whole(self, exchange: Exchange, body: Body, digest: ContentDigest, proof: Proof) -> Proof:
        if exchange.head.expects and exchange.caller is not None:
            # The caller waits to be told that it may send (RFC 9110 section 10.1.1), and no service is asked before.
            exchange.caller.interim(100, None)
        content = memoryview(_kept(exchange, body, await collect(body, self._max_body)))
        for at in range(0, max(len(content), 1), SLICE):
            if len(content) > SLICE:
                await self.turns.mine()
            digest.feed(content[at : at + SLICE])
        return _compared(digest, proof)

    def _bound(self, body: Body) -> None:
        body.limit = self._max_body
        if max(body.length, body.size) > self._max_body:
            detail = f"Signed request body of more than {self._max_body} bytes"
            raise GatewayError("body_too_large", detail, phase=Phase.BODY, close=True)


def _digest(request: SignedRequest) -> ContentDigest:
    try:
        return ContentDigest(request.values(DIGEST.encode()))
    except Malformed as fault:
        raise Unproved(f"its Content-Digest: {fault}") from None


def _kept(exchange: Exchange, body: Body, content: bytes) -> bytes:
    """What was read of a body, put back for whoever forwards it."""
    exchange.body = whole(content, body.length)
    return content


def _compared(digest: ContentDigest, proof: Proof) -> Proof:
    if not digest.matches():
        raise Unproved("the body is not the one that was signed")
    return proof
