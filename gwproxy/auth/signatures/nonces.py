"""Nonces that were met lately, so that a signed request is taken once only. For one process: others know of none."""

from __future__ import annotations

import heapq
from hashlib import blake2b
from typing import Final

from gwproxy.auth.signatures.unverified import Unverified

MOST: Final = 65_536
"""Nonces of one key; about 200 bytes each."""

# Of those whose time is over, so many are forgotten at each call: more than come in, and never a long turn of the loop.
_FORGOTTEN_AT_ONCE: Final = 64


class SeenNonces:
    """Remembers each nonce for as long as its signature would be believed.

    The bound is each key's own, and a key that has reached it is refused until some of its nonces have run out: to
    forget one early would let its request in again, and to share the bound would let one signer lock out all others.
    """

    __slots__ = ("_keys", "_most")

    def __init__(self, most: int = MOST) -> None:
        if most < 1:
            raise ValueError("room for no nonce")
        self._most = most
        self._keys: dict[str, _Seen] = {}

    def take(self, keyid: str, nonce: str, until: float, now: float) -> None:
        """Remember a nonce until that time (seconds since 1970, both). Raises Unverified for one met before."""
        seen = self._keys.get(keyid)
        if seen is None:
            seen = self._keys[keyid] = _Seen()
        seen.forget(now)
        # A digest, so that long nonces take no more room than short ones.
        digest = blake2b(nonce.encode(), digest_size=16).digest()
        known = seen.until.get(digest)
        if known is not None and known >= now:
            raise Unverified("its nonce was used before")
        if len(seen.order) >= self._most:
            raise Unverified(f"{self._most} nonces of its key are remembered, and none can be forgotten yet")
        seen.until[digest] = until
        heapq.heappush(seen.order, (until, digest))

    def __len__(self) -> int:
        return sum(len(seen.order) for seen in self._keys.values())


class _Seen:
    """The nonces of one key: when each may be forgotten, and the same in order of time."""

    __slots__ = ("order", "until")

    def __init__(self) -> None:
        self.until: dict[bytes, float] = {}
        self.order: list[tuple[float, bytes]] = []

    def forget(self, now: float) -> None:
        order = self.order
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not order or order[0][0] >= now:
                return
            until, digest = heapq.heappop(order)
            if self.until.get(digest) == until:
                del self.until[digest]
