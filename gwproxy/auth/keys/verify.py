"""Whether a signature is a key's (RFC 7518 section 3, RFC 8037 section 3.1). PyJWT's algorithms do the work."""

from __future__ import annotations

from typing import Final

from jwt.algorithms import Algorithm, get_default_algorithms

from gwproxy.auth.keys.key import CURVE_ALGORITHMS, RSA_ALGORITHMS, SECRET_BYTES, Key

# Made from our own names, so that nothing that PyJWT comes to know is believed by itself. "none" is not there.
_KNOWN: Final = get_default_algorithms()
ALGORITHMS: Final[dict[str, Algorithm]] = {
    name: _KNOWN[name]
    for name in sorted({*SECRET_BYTES, *RSA_ALGORITHMS, *CURVE_ALGORITHMS.values(), "EdDSA"})
}
SIGNATURE_BYTES: Final = {"ES256": 64, "ES384": 96, "ES512": 132, **SECRET_BYTES}
"""r and s one after the other, each in full (RFC 7518 section 3.4); of HS what the hash gives."""


def _length(alg: str, key: Key) -> int:
    """Bytes that every signature has: of RSA as many as the modulus (RFC 8017 section 8.1.2), which OpenSSL does not
    insist on for PSS.
    """
    if alg in RSA_ALGORITHMS:
        return (int(key.material.key_size) + 7) // 8
    if alg == "EdDSA":
        return 64 if key.kind == "Ed25519 key" else 114
    return SIGNATURE_BYTES[alg]


def verify(signing_input: bytes, signature: bytes, alg: str, key: Key) -> bool:
    """Whether `signature` over `signing_input` is of this key, with an algorithm that the key may be used with.

    It never raises: whatever cannot be verified is not believed. HS is compared in constant time.
    """
    if alg not in key.algorithms or alg not in ALGORITHMS or not signature:
        return False
    try:
        if len(signature) != _length(alg, key):
            return False
        return ALGORITHMS[alg].verify(signing_input, key.material, signature) is True
    except Exception:
        # Its text could quote the key or the token, and there is nobody to whom it matters.
        return False
