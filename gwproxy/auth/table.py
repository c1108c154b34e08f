"""Credentials that were verified, until they expire: bounded, so that a flood of valid ones costs no more memory."""

from __future__ import annotations

from typing import Final

from gwproxy.auth.principal import Proof

MOST: Final = 10_000
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of the credentials themselves; a proof is about 1 KiB more."""


class Proofs:
    """Proofs by credential. Where there is no room the one that came first goes."""

    __slots__ = ("_bytes", "_held", "_most", "_most_bytes")

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._held: dict[bytes, Proof] = {}
        self._bytes = 0
        self._most = most
        self._most_bytes = most_bytes

    def __len__(self) -> int:
        return len(self._held)

    def get(self, credential: bytes, now: float) -> Proof | None:
        """The proof that still holds at `now`."""
        proof = self._held.get(credential)
        if proof is None or proof.until > now:
            return proof
        self._drop(credential)
        return None

    def add(self, credential: bytes, proof: Proof) -> None:
        """Remember a proof."""
        if credential in self._held:
            self._drop(credential)
        while self._held and (
            len(self._held) >= self._most or self._bytes + len(credential) > self._most_bytes
        ):
            self._drop(next(iter(self._held)))
        self._held[credential] = proof
        self._bytes += len(credential)

    def clear(self) -> None:
        """Forget all: a key is no longer what it was."""
        self._held.clear()
        self._bytes = 0

    def _drop(self, credential: bytes) -> None:
        del self._held[credential]
        self._bytes -= len(credential)
