"""The name that a public key has by itself (RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MEMBERS: Final = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""What of a key counts, in order (RFC 7638 section 3.2, RFC 8037 section 2)."""


def thumbprint(key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey) -> str:
    """SHA-256 of the key's members that count, as base64url."""
    told = _jwk(key)
    counted = {name: told[name] for name in MEMBERS[told["kty"]]}
    digest = hashlib.sha256(json.dumps(counted, separators=(",", ":")).encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _jwk(key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey) -> dict[str, Any]:
    if isinstance(key, RSAPublicKey):
        return RSAAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, EllipticCurvePublicKey):
        return ECAlgorithm.to_jwk(key, as_dict=True)
    return OKPAlgorithm.to_jwk(key, as_dict=True)
