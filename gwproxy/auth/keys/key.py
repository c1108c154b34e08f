"""A key that signatures are verified with, and the algorithms that it may be used for.

Which algorithm a key is used with is decided here, once: by its type and curve, by its own `alg`, and by the list of
the configuration. What a token says of itself only chooses among these (RFC 8725 section 3.1).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from gwproxy.auth.keys.roca import is_roca

SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The shortest secret of each: as long as what its hash gives (RFC 7518 section 3.2)."""
RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVE_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
"""By the curve's name in cryptography. An ES algorithm is of one curve only (RFC 7518 section 3.4)."""
CURVE_NAMES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
LEAST_RSA_BITS: Final = 2048
"""RFC 7518 sections 3.3 and 3.5."""
MOST_RSA_BITS: Final = 8192
"""Each token costs a verification, whose time grows with the square of this."""
MOST_EXPONENT_BITS: Final = 32

MOST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Key:
    """A key that verifies.

    `kid`: its name in a set, None where it has none. `kind`: for people. `material`: what PyJWT's algorithm takes, a
    public key of cryptography or the bytes of a secret. Two keys are equal if each verifies exactly what the other
    does, under the same name; `fingerprint` tells their material apart and is not for logs.
    """

    kid: str | None
    algorithms: frozenset[str]
    kind: str
    fingerprint: bytes = field(repr=False)
    material: Any = field(repr=False, compare=False)


def shown(value: object) -> str:
    """A foreign value in a message: quoted, on one line, and not endless."""
    text = repr(value[: MOST_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def from_secret(
    secret: bytes,
    believed: Collection[str],
    *,
    kid: str | None = None,
    alg: str | None = None,
    shorten: bool = False,
) -> Key:
    """A secret that the issuer shares. It must be long enough for every believed HS algorithm (RFC 7518 section 3.2);
    `shorten`: it is rather used only with those that it is long enough for.

    Raises ValueError.
    """
    algorithms = _fitting("shared secret", SECRET_BYTES, believed, alg)
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        # Whoever has the public key could sign with it as the secret.
        raise ValueError(
            "it is empty, or a public key or certificate, which is no secret: an HS algorithm would let"
            " everybody who has it sign tokens"
        ) from None
    long_enough = frozenset(name for name in algorithms if len(secret) >= SECRET_BYTES[name])
    if not long_enough or (long_enough != algorithms and not shorten):
        name = (min if shorten else max)(algorithms, key=SECRET_BYTES.__getitem__)
        raise ValueError(
            f"the secret has {len(secret)} bytes, and {name} needs at least {SECRET_BYTES[name]} (RFC 7518 section 3.2)"
        )
    return Key(kid, long_enough, "shared secret", sha256(b"secret:" + secret).digest(), secret)


def from_public(
    public: object, believed: Collection[str], *, kid: str | None = None, alg: str | None = None
) -> Key:
    """A public key of the cryptography library; `alg`: what it says of itself. Raises ValueError."""
    if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey):
        raise ValueError("it is neither an RSA key, nor one of P-256, P-384, P-521, Ed25519 and Ed448")
    kind, possible = _judged(public)
    algorithms = _fitting(kind, possible, believed, alg)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(kid, algorithms, kind, sha256(der).digest(), public)


def _judged(
    public: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey,
) -> tuple[str, Collection[str]]:
    """What kind of key it is, and what such keys can verify."""
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        check_rsa(numbers.n, numbers.e)
        return "RSA key", RSA_ALGORITHMS
    if isinstance(public, EllipticCurvePublicKey):
        curve = public.curve.name
        if curve not in CURVE_ALGORITHMS:
            raise ValueError(f"its curve is {curve}: P-256, P-384 and P-521 are accepted")
        return f"{CURVE_NAMES[curve]} key", (CURVE_ALGORITHMS[curve],)
    return f"{'Ed25519' if isinstance(public, Ed25519PublicKey) else 'Ed448'} key", ("EdDSA",)


def check_rsa(n: int, e: int) -> None:
    """Raises ValueError for a modulus and an exponent that are too weak, or too dear to be verified with."""
    bits = n.bit_length()
    if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
        raise ValueError(f"it is an RSA key of {bits} bits: {LEAST_RSA_BITS} to {MOST_RSA_BITS} are accepted")
    if not n & 1:
        raise ValueError("its modulus is even")
    if e < 3 or not e & 1 or e.bit_length() > MOST_EXPONENT_BITS:
        raise ValueError("its public exponent is not an odd number from 3 to 4294967295")
    if is_roca(n):
        raise ValueError("it was made by a chip whose keys can be factored (CVE-2017-15361)")


def _fitting(
    kind: str, possible: Collection[str], believed: Collection[str], alg: str | None
) -> frozenset[str]:
    """Out of what this kind of key can verify, what it may."""
    if alg is not None and alg not in possible:
        raise ValueError(f"its alg is {shown(alg)}, and this {kind} verifies {_listed(possible)}")
    own = possible if alg is None else (alg,)
    fitting = frozenset(own).intersection(believed)
    if not fitting:
        raise ValueError(
            f"this {kind} verifies {_listed(own)}, and the configuration believes {_listed(believed)}"
        )
    return fitting


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
