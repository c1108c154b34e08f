"""API keys that a store has besides those of the file: looked up by their hash, and believed for a while.

What is kept of a key, here and in the store, is its SHA-256; the key is in neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gwproxy.auth.api_key import LONGEST, ApiKeys, KnownKey
from gwproxy.auth.method import Later
from gwproxy.auth.places import Place
from gwproxy.auth.principal import Identities, Proof, Unjudged, Unproved
from gwproxy.auth.records import KeyRecord
from gwproxy.exchange import Exchange
from gwproxy.state.records import Kept, Lookup, StoreFails


class StoredApiKeys(ApiKeys):
    """The keys of one authenticator. What the file says of a key, the store is not asked about."""

    __slots__ = ("_identities", "_records")

    def __init__(
        self, name: str, place: Place, realm: str, keys: Iterable[KnownKey], records: Lookup[KeyRecord],
        identities: Identities,
    ) -> None:  # fmt: skip
        super().__init__(name, place, realm, keys)
        self._records = records
        self._identities = identities

    def known(self, credential: bytes, now: float) -> Proof | None:
        """The proof of a key that was looked up lately."""
        digest = self._stored(credential)
        kept = self._records.kept(digest, now) if digest else None
        if kept is None or kept.record is None:
            return None
        try:
            return self._proof(kept, now)
        except Unproved:
            # `prove` says why.
            return None

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Proof | Later:
        """As ApiKeys'; Later where the store has to be asked, which may raise Unjudged too."""
        digest = self._stored(credential)
        if not digest:
            return super().prove(credential, exchange, now)
        kept = self._records.kept(digest, now)
        return Later(lambda: self._looked_up(digest, now)) if kept is None else self._proof(kept, now)

    def _stored(self, credential: bytes) -> str:
        """The name of its record, "" for one that the store is not asked about."""
        if len(credential) > LONGEST:
            return ""
        digest = hashlib.sha256(credential)
        return "" if digest.digest() in self._keys else digest.hexdigest()

    async def _looked_up(self, digest: str, now: float) -> Proof:
        try:
            kept = await self._records.asked(digest)
        except StoreFails as error:
            raise Unjudged(f"{self.name}: the store of keys fails: {error}") from None
        return self._proof(kept, now)

    def _proof(self, kept: Kept[KeyRecord], now: float) -> Proof:
        """It is made once for all who come with this key, and holds no longer than the record is believed."""
        record = kept.record
        if record is None:
            raise Unproved("unknown key" if kept.why == "unknown" else kept.why)
        if kept.by is not self._identities:
            # A reload may have given the role other permissions.
            kept.made, kept.by = self._made(kept, record), self._identities
        proof: Proof = kept.made
        if now >= proof.until:
            raise Unproved("key has expired")
        return proof

    def _made(self, kept: Kept[KeyRecord], record: KeyRecord) -> Proof:
        principal = self._identities.principal(
            self.name, record.id, roles=(record.role,) if record.role else (), permissions=record.permissions,
            tier=record.tier or "", tenant=record.tenant or "",
        )  # fmt: skip
        return Proof(principal, min(record.until, kept.until))
