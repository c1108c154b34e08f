"""What an API key is made of, and how one is named by its hash: the same in a file and in a store."""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final

PREFIX: Final = "gwk_"
"""What every key begins with, so that who finds one in a log or a repository knows what it is."""
KEY_BYTES: Final = 32
SHOWN: Final = 12
"""Digits of a hash that tell it from others, for people."""
LEAST_DIGITS: Final = 8
DIGITS: Final = re.compile(f"[0-9a-f]{{{LEAST_DIGITS},64}}")


def new_secret() -> str:
    """A key that nobody has."""
    return PREFIX + urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b"=").decode()


def digest_of(key: str) -> str:
    """The SHA-256 of a key, in hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def digits_of(what: str) -> str:
    """The digits that are meant by a key, by "sha256:" and the beginning of a hash, or by that beginning alone."""
    return digest_of(what) if what.startswith(PREFIX) else what.removeprefix("sha256:")
