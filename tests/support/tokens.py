"""Tokens as an issuer makes them, and as an attacker does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

SECRET = "a secret of exactly thirty-two+ bytes"
NOW = 1_800_000_000


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: str, payload: str, secret: str = SECRET, hash_: str = "sha256") -> str:
    """Any header and payload, signed with HMAC whatever they say."""
    text = f"{encoded(header.encode())}.{encoded(payload.encode())}"
    signature = hmac.new(secret.encode(), text.encode(), getattr(hashlib, hash_)).digest()
    return f"{text}.{encoded(signature)}"


def token(claims: dict[str, Any] | None = None, *, secret: str = SECRET, **header: Any) -> str:
    """A token signed with HS256; `claims` beside sub and an exp far away. A claim of None is left out."""
    said = {"sub": "u-1", "exp": 4_000_000_000, **(claims or {})}
    said = {name: value for name, value in said.items() if value is not None}
    return signed(json.dumps({"alg": "HS256", "typ": "JWT", **header}), json.dumps(said), secret)
