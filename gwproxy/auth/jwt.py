"""JSON Web Tokens (RFC 7519, RFC 7515, RFC 8725): signed by a key that the configuration knows.

Nothing in a token chooses how it is verified. Its `alg` must be one that the configuration lists and the key may be
used with; its `kid` picks among the keys that are there, and `jku`, `x5u`, `x5c` and `jwk` are not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from gwproxy.auth.claims import ClaimNames, Expected, holds_until, proof_of
from gwproxy.auth.keys.base64url import decoded
from gwproxy.auth.keys.key import Key
from gwproxy.auth.keys.strict_json import read_json
from gwproxy.auth.keys.verify import verify
from gwproxy.auth.method import Later
from gwproxy.auth.places import Place
from gwproxy.auth.principal import Identities, Proof, Unjudged, Unproved
from gwproxy.auth.source import Fixed, Source, Watcher
from gwproxy.auth.table import Proofs
from gwproxy.drive import Turns
from gwproxy.exchange import Exchange

_FORM: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
LONGEST_KID: Final = 256
NO_KEY: Final = "no key for it"
BAD_SIGNATURE: Final = "bad signature"


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What one authenticator believes. `longest`: bytes of a token, more are not looked at."""

    algorithms: frozenset[str]
    expected: Expected = Expected()
    names: ClaimNames = ClaimNames()
    longest: int = 8192


class Jwt:
    """Tokens of one issuer."""

    __slots__ = (
        "__weakref__", "_identities", "_proofs", "_rules", "_source", "challenge", "name", "place", "turns",
    )  # fmt: skip

    def __init__(
        self, name: str, place: Place, realm: str, rules: JwtRules, source: Source, identities: Identities,
        turns: Turns,
    ) -> None:  # fmt: skip
        self.name = name
        self.turns = turns
        self.place = place
        self.challenge = b'Bearer realm="%b"' % realm.encode()
        self._rules = rules
        self._source = source
        self._identities = identities
        self._proofs = Proofs()
        source.watch(self)

    def known(self, credential: bytes, now: float) -> Proof | None:
        """The proof of a token that was verified before."""
        return self._proofs.get(credential, now)

    def forget(self) -> None:
        """Keys have changed: every token is verified again."""
        self._proofs.clear()

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` when keys change."""
        self._source.watch(watcher)

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Proof | Later:
        """Verify a token; Later where its key has to be fetched first. Raises Unproved."""
        token = _Token(credential, self._rules)
        source = self._source
        keys = source.keys
        if keys is None or not (isinstance(source, Fixed) or keys.knows(token.kid)):
            return Later(lambda: self._prove_later(token, source, now))
        candidates = keys.find(token.kid, token.alg)
        if len(candidates) > 1:
            return Later(lambda: self._one_by_one(token, source, now))
        if not candidates:
            raise Unproved(NO_KEY)
        if not token.verified_by(candidates[0]):
            raise Unproved(BAD_SIGNATURE)
        return self._proof(token, now)

    async def _prove_later(self, token: _Token, source: Source, now: float) -> Proof:
        if await source.refreshed(token.kid) is None:
            raise Unjudged(f"the keys of {self.name} could not be fetched")
        return await self._one_by_one(token, source, now)

    async def _one_by_one(self, token: _Token, source: Source, now: float) -> Proof:
        """A token that may not name its key: each key in a turn of its own, if it is one of the keys by then."""
        tried: list[Key] = []
        while True:
            await self.turns.mine()
            keys = source.keys
            candidates = () if keys is None else keys.find(token.kid, token.alg)
            key = next((key for key in candidates if key not in tried), None)
            if key is None:
                raise Unproved(BAD_SIGNATURE if tried else NO_KEY)
            if token.verified_by(key):
                return self._proof(token, now)
            tried.append(key)

    def _proof(self, token: _Token, now: float) -> Proof:
        """What a verified token says. Raises Unproved where that does not hold here or now."""
        claims = token.claims()
        until = holds_until(claims, self._rules.expected, now)
        proof = proof_of(claims, self._rules.names, self.name, self._identities, until)
        self._proofs.add(token.raw, proof)
        return proof


class _Token:
    """A token taken apart. Raises Unproved for what is none of ours, before anything is verified."""

    __slots__ = ("_payload", "alg", "kid", "raw", "signature", "signed")

    def __init__(self, raw: bytes, rules: JwtRules) -> None:
        if len(raw) > rules.longest:
            raise Unproved("longer than max_token")
        parts = _FORM.fullmatch(raw.decode("latin-1"))
        if parts is None:
            raise Unproved("not a signed token in compact form")
        head, self._payload, signature = parts.groups()
        header = _object(head, "header")
        alg, kid = header.get("alg"), header.get("kid")
        if not isinstance(alg, str) or alg not in rules.algorithms:
            raise Unproved("its algorithm is not one of those configured")
        if "crit" in header or "b64" in header:
            # RFC 7515 section 4.1.11: what must be understood and is not. RFC 7797 is such a thing.
            raise Unproved("it wants an extension understood")
        if kid is not None and (not isinstance(kid, str) or len(kid) > LONGEST_KID):
            raise Unproved("its kid is no name")
        self.raw = raw
        self.alg: str = alg
        self.kid: str | None = kid
        self.signature = _octets(signature, "signature")
        self.signed = raw.rpartition(b".")[0]

    def verified_by(self, key: Key) -> bool:
        return verify(self.signed, self.signature, self.alg, key)

    def claims(self) -> dict[str, Any]:
        """What it says: to be read only once its signature is verified."""
        return _object(self._payload, "payload")


def _octets(text: str, what: str) -> bytes:
    try:
        return decoded(text)
    except ValueError:
        raise Unproved(f"its {what} is not base64url") from None


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        found = read_json(_octets(text, what))
    except (ValueError, RecursionError):
        raise Unproved(f"its {what} is not JSON, or names a member twice") from None
    if not isinstance(found, dict):
        raise Unproved(f"its {what} is no JSON object")
    return found


