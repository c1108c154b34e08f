"""Keys that signatures are checked with. The algorithm belongs to the key, and is never taken from a message."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Algorithm = Literal["hmac-sha256", "ed25519", "ecdsa-p256-sha256"]
"""Names of RFC 9421's registry (section 6.2.2)."""

MIN_SECRET: Final = 32
"""Bytes of a shared secret: as many as the hash has (RFC 2104 section 3)."""

_HALF: Final = 32
_ECDSA: Final = ECDSA(SHA256())
# What a string of structured fields can hold: no other keyid can ever be met.
_KEYID: Final = re.compile(r"[ -~]+")


@dataclass(frozen=True, slots=True, eq=False)
class SignatureKey:
    """One key and its name. ValueError for one that its algorithm cannot use."""

    keyid: str
    algorithm: Algorithm
    key: bytes | Ed25519PublicKey | EllipticCurvePublicKey = field(repr=False)

    def __post_init__(self) -> None:
        if _KEYID.fullmatch(self.keyid) is None:
            raise ValueError("a keyid is of printable ASCII characters, and not empty")
        if self.algorithm not in get_args(Algorithm):
            raise ValueError(f"{self.algorithm!r} is none of {', '.join(get_args(Algorithm))}")
        _check(self.algorithm, self.key)

    @classmethod
    def read(cls, keyid: str, algorithm: Algorithm, text: str) -> SignatureKey:
        """A key as a file writes it: a public key in PEM, or for hmac-sha256 a secret, as it is or behind "base64:".

        Blanks and line ends around it don't count. Raises ValueError, which tells nothing of a secret.
        """
        text = text.strip()
        if algorithm == "hmac-sha256":
            return cls(keyid, algorithm, _secret(text))
        key = _public_key(text)
        if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
            raise ValueError(f"not a key for {algorithm}")
        return cls(keyid, algorithm, key)

    def verifies(self, base: bytes, signature: bytes) -> bool:
        """Whether `signature` was made over `base` by who holds this key (RFC 9421 section 3.3)."""
        key = self.key
        if isinstance(key, bytes):
            return hmac.compare_digest(hmac.digest(key, base, "sha256"), signature)
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, base)
                return True
            return _ecdsa_verifies(key, base, signature)
        except InvalidSignature:
            return False


def _ecdsa_verifies(key: EllipticCurvePublicKey, base: bytes, signature: bytes) -> bool:
    """RFC 9421 section 3.3.4: r and s as they are, 32 bytes each, where the library wants DER."""
    if len(signature) != 2 * _HALF:
        return False
    r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    key.verify(encode_dss_signature(r, s), base, _ECDSA)
    return True


def _check(algorithm: Algorithm, key: object) -> None:
    if algorithm == "hmac-sha256":
        if not isinstance(key, bytes):
            raise ValueError("hmac-sha256 wants a shared secret")
        if len(key) < MIN_SECRET:
            raise ValueError(f"a secret of {len(key)} bytes is too short: at least {MIN_SECRET} are wanted")
    elif algorithm == "ed25519":
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not a public key for ed25519")
    elif not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("not a public key for ecdsa-p256-sha256")
    elif not isinstance(key.curve, SECP256R1):
        raise ValueError(f"ecdsa-p256-sha256 wants a key on the curve P-256, this one is on {key.curve.name}")


def _secret(text: str) -> bytes:
    if "-----BEGIN" in text:
        # Who took a public key for a secret would let everybody sign.
        raise ValueError("hmac-sha256 wants a shared secret, and this is PEM")
    if not text.startswith("base64:"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("base64:"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError('what follows "base64:" is not base64') from None


def _public_key(text: str) -> PublicKeyTypes:
    if "PRIVATE KEY-----" in text:
        raise ValueError("a private key: only the public key is wanted here")
    try:
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key in PEM") from None
