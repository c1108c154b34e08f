"""Base64url without padding (RFC 7515 section 2), one way to write each value only."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")


def decoded(text: str) -> bytes:
    """The bytes of `text`. Raises ValueError: `=`, any other character, an impossible length, bits left over."""
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        raise ValueError("not base64url without padding")
    value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if urlsafe_b64encode(value).rstrip(b"=").decode() != text:
        raise ValueError("not base64url as it is written: its last character has bits that mean nothing")
    return value
