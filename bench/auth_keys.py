"""Kinds of key that tokens are signed with: made anew in each run, and put into the bench's configuration."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from bench import tokens

KEY_LINE: Final = f'key = "{tokens.SECRET}"'
ALGORITHM_LINE: Final = 'algorithms = ["HS256"]'


@dataclass(frozen=True)
class Kind:
    """Tokens of one algorithm. `others`: keys of the issuer that are tried first, for its tokens name none (no kid)."""

    name: str
    algorithm: str
    make: Callable[[], Any]
    others: int = 0

    @cached_property
    def private(self) -> Any:
        return self.make()

    def token(self, number: int) -> str:
        """A token of one caller, signed by this key."""
        return tokens.token(number, self.private, self.algorithm)

    @contextmanager
    def config(self, text: str) -> Iterator[str]:
        """A configuration for HS256 that believes these tokens instead."""
        text = text.replace(ALGORITHM_LINE, f'algorithms = ["{self.algorithm}"]')
        if not self.others:
            yield text.replace(KEY_LINE, f"key = '''{self._public()}'''")
            return
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(self._key_set())
            file.flush()
            yield text.replace(KEY_LINE, f'jwks = "{file.name}"')

    def _public(self) -> str:
        if isinstance(self.private, str):
            return self.private
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()

    def _key_set(self) -> str:
        """The right one last, as it would be for who publishes a new key behind the old ones."""
        keys = [*(self.make() for _ in range(self.others)), self.private]
        named = [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) for key in keys]
        return json.dumps({"keys": [{**jwk, "kid": f"{at}"} for at, jwk in enumerate(named)]})


def _rsa(bits: int) -> Callable[[], Any]:
    return lambda: rsa.generate_private_key(65537, bits)


KINDS: Final = (
    Kind("HS256", "HS256", lambda: tokens.SECRET),
    Kind("RS256, 2,048 bits", "RS256", _rsa(2048)),
    Kind("RS256, 2,048 bits, the last of four keys", "RS256", _rsa(2048), others=3),
    Kind("RS256, 4,096 bits", "RS256", _rsa(4096)),
    Kind("ES256", "ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
    Kind("ES512", "ES512", lambda: ec.generate_private_key(ec.SECP521R1())),
    Kind("EdDSA (Ed25519)", "EdDSA", ed25519.Ed25519PrivateKey.generate),
)
