"""Issuers' private keys, their public halves in every form, and signatures with them."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

ALL = frozenset({"EdDSA", *(f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512))})
SECRET = b"a secret of the test that is 64 bytes long, for HS512 needs these"[:64]
KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448")
_ALGORITHMS = get_default_algorithms()


def private_key(kind: str, which: int = 0) -> Any:
    """A key of one of KINDS, the same whenever it is asked for; each `which` is another one."""
    return _made(kind, which)


@functools.cache
def _made(kind: str, which: int) -> Any:
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind[3:] or 2048))
    if kind.startswith("Ed"):
        return (ed25519.Ed25519PrivateKey if kind == "Ed25519" else ed448.Ed448PrivateKey).generate()
    curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1}[kind]
    return ec.generate_private_key(curve())


def kind_for(alg: str) -> str:
    """The kind of key that an algorithm is used with; "" for a secret."""
    kinds = {"H": "", "R": "RSA", "P": "RSA"}
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
    return kinds[alg[0]] if alg[0] in kinds else curves[alg]


def public_pem(kind: str, which: int = 0) -> bytes:
    public = private_key(kind, which).public_key()
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def private_pem(kind: str) -> bytes:
    pem: bytes = private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def jwk(kind: str, which: int = 0, *, private: bool = False, **members: Any) -> dict[str, Any]:
    """The key as a JSON Web Key; a member that is given as None is left out."""
    key = private_key(kind, which)
    maker = RSAAlgorithm if kind.startswith("RSA") else OKPAlgorithm if kind.startswith("Ed") else ECAlgorithm
    made: dict[str, Any] = maker.to_jwk(key if private else key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {name: value for name, value in {**made, **members}.items() if value is not None}


def oct_jwk(secret: bytes = SECRET, **members: Any) -> dict[str, Any]:
    return {"kty": "oct", "k": b64(secret), **members}


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def sign(alg: str, data: bytes, which: int = 0, kind: str | None = None) -> bytes:
    """A good signature, by the key of `jwk(kind, which)` or by SECRET."""
    kind = kind_for(alg) if kind is None else kind
    key = private_key(kind, which) if kind else SECRET
    made: bytes = _ALGORITHMS[alg].sign(data, key)
    return made


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
