"""The gateway's own word on who is calling, as a token that a service can verify (RFC 7519).

A token is signed once for each principal and audience, and told until half of its time has passed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gwproxy.auth.keys.key import LEAST_RSA_BITS, SECRET_BYTES
from gwproxy.auth.keys.thumbprint import thumbprint
from gwproxy.auth.principal import Principal

MOST: Final = 10_000
"""Principals whose tokens are kept; where there is no room the one that came first goes."""


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """A key, its name and its algorithm."""

    algorithm: str
    key: Any = field(repr=False)
    kid: str = ""

    @classmethod
    def read(cls, algorithm: str, text: bytes, kid: str = "") -> TokenSigner:
        """A key as a file writes it. Raises ValueError, which tells nothing of it."""
        if algorithm == "HS256":
            return cls(algorithm, _secret(text), kid)
        key = _private(text)
        if algorithm == "EdDSA" and not isinstance(key, Ed25519PrivateKey):
            raise ValueError("EdDSA wants a private key of Ed25519")
        if algorithm == "ES256" and not (
            isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
        ):
            raise ValueError("ES256 wants a private key on the curve P-256")
        if algorithm == "RS256" and not (isinstance(key, RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS):
            raise ValueError(f"RS256 wants an RSA private key of at least {LEAST_RSA_BITS} bits")
        return cls(algorithm, key, kid or thumbprint(key.public_key()))

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims, in compact form."""
        headers = {"kid": self.kid} if self.kid else None
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=headers)


class Teller:
    """Tells services of one audience who is calling. `ttl_s`: how long a token holds."""

    __slots__ = ("_audience", "_before", "_issuer", "_signer", "_told", "_ttl_s")

    def __init__(self, signer: TokenSigner, header: str, issuer: str, audience: str, ttl_s: float) -> None:
        self._signer = signer
        self._before = f"{header}: {'Bearer ' if header.lower() == 'authorization' else ''}"
        self._issuer = issuer
        self._audience = audience
        self._ttl_s = ttl_s
        self._told: dict[Principal, tuple[bytes, float]] = {}

    def __call__(self, principal: Principal, now: float) -> tuple[bytes, float]:
        """The field line that tells of `principal`, and until when it may be told."""
        told = self._told.get(principal)
        if told is not None and told[1] > now:
            return told
        self._told.pop(principal, None)
        while len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        token = self._signer.sign(self._claims(principal, now))
        told = self._told[principal] = f"{self._before}{token}\r\n".encode(), now + self._ttl_s / 2
        return told

    def _claims(self, principal: Principal, now: float) -> dict[str, Any]:
        """RFC 7519 section 4.1, and what the plain headers say; of what nothing is known there is no claim."""
        issued = int(now)
        known = {
            "roles": list(principal.roles), "permissions": sorted(principal.grants.names), "tier": principal.tier,
            "tenant": principal.tenant,
        }  # fmt: skip
        return {
            "iss": self._issuer, "sub": principal.id, "aud": self._audience, "iat": issued,
            "exp": math.ceil(now + self._ttl_s),
            **{name: value for name, value in known.items() if value},
        }  # fmt: skip


def silent(principal: Principal, now: float) -> tuple[bytes, float]:
    """Tell a service nothing."""
    return b"", float("inf")


def _secret(text: bytes) -> bytes:
    if b"-----BEGIN" in text:
        raise ValueError("HS256 wants a shared secret, and this is PEM")
    if len(text) < SECRET_BYTES["HS256"]:
        raise ValueError(f"a secret for HS256 has at least {SECRET_BYTES['HS256']} bytes")
    return text


def _private(text: bytes) -> Any:
    try:
        return load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key in PEM, without a password") from None
