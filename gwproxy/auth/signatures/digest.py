"""Content-Digest (RFC 9530 section 2): whether a body, fed in pieces, is the one that its sender had."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from gwproxy.auth.signatures.structured import Item, Malformed, parse_dictionary

if TYPE_CHECKING:
    from hashlib import _Hash

ALGORITHMS: Final[dict[str, Callable[[], _Hash]]] = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
"""Those of RFC 9530's registry (section 7.2) that are no longer broken or weak by name; all others are passed over."""


class ContentDigest:
    """The digests that a request tells of its body, and the body's own as it comes."""

    __slots__ = ("_compared",)

    def __init__(self, values: Iterable[bytes]) -> None:
        """From the values of the field's lines. Raises Malformed, also where no algorithm is known."""
        self._compared: list[tuple[bytes, _Hash]] = []
        for name, member in parse_dictionary(values).items():
            algorithm = ALGORITHMS.get(name)
            if algorithm is not None:
                made = algorithm()
                self._compared.append((_told(name, member, made.digest_size), made))
        if not self._compared:
            raise Malformed("neither sha-256 nor sha-512")

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Go on with the body: its bytes without chunks, content codings as they are."""
        for _, made in self._compared:
            made.update(piece)

    def matches(self) -> bool:
        """Whether what was fed is the whole body: by every known digest, so that no reader may see another answer."""
        return all(hmac.compare_digest(told, made.digest()) for told, made in self._compared)


def _told(name: str, member: object, size: int) -> bytes:
    if not isinstance(member, Item) or not isinstance(member.value, bytes) or member.params:
        raise Malformed(f"{name} is not a plain sequence of bytes")
    if len(member.value) != size:
        raise Malformed(f"{name} has {len(member.value)} bytes instead of {size}")
    return member.value
