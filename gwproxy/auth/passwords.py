"""Passwords as they are kept: scrypt (RFC 7914), slow on purpose, so that who steals a file must guess for long.

A hash is written "scrypt:LN:R:P:SALT:HASH": LN is the logarithm of the cost N to the base 2, R the block size, P how
often it is done; salt and hash are base64url without padding.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import unicodedata
from base64 import urlsafe_b64encode
from typing import Final, NamedTuple

from gwproxy.auth.keys.base64url import decoded

# 16 MiB and about 0.2 s of one core: what OWASP names for this little memory.
LN: Final = 14
R: Final = 8
P: Final = 5
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_FORM: Final = re.compile(
    r"scrypt:(1[4-7]):(8):([1-9]):([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})", re.ASCII
)


class PasswordHash(NamedTuple):
    """One hash and how it was made."""

    ln: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @classmethod
    def read(cls, text: str) -> PasswordHash:
        """A hash as it is written. ValueError, which tells nothing of it, for one of another form or cost."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("no hash as `gwproxy password` prints it")
        ln, r, p, salt, digest = found.groups()
        return cls(int(ln), int(r), int(p), decoded(salt), decoded(digest))

    def written(self) -> str:
        """As a file has it."""
        salt, digest = (urlsafe_b64encode(part).rstrip(b"=").decode() for part in (self.salt, self.digest))
        return f"scrypt:{self.ln}:{self.r}:{self.p}:{salt}:{digest}"

    def fits(self, password: bytes) -> bool:
        """Whether this is the hash of `password` (as `normal` gives it). Takes as long whether it is or not."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.ln, self.r, self.p), self.digest)


def normal(text: str) -> str:
    """The one form of a name or password that can be typed in several (RFC 7617 section 2.1, RFC 8265)."""
    return unicodedata.normalize("NFC", text)


def hashed(password: str, *, ln: int = LN, p: int = P) -> PasswordHash:
    """A new hash of `password`, with a salt of its own."""
    salt = os.urandom(_SALT_BYTES)
    return PasswordHash(ln, R, p, salt, _scrypt(normal(password).encode(), salt, ln, R, p))


def nobodys(like: PasswordHash | None) -> PasswordHash:
    """A hash that no password fits, and that costs as much as `like`."""
    ln, p = (like.ln, like.p) if like is not None else (LN, P)
    return PasswordHash(ln, R, p, os.urandom(_SALT_BYTES), os.urandom(_HASH_BYTES))


def _scrypt(password: bytes, salt: bytes, ln: int, r: int, p: int) -> bytes:
    # RFC 7914 section 6: its tables of N, P and 2 more blocks.
    room = 128 * r * (2**ln + p + 2)
    return hashlib.scrypt(password, salt=salt, n=2**ln, r=r, p=p, maxmem=room, dklen=_HASH_BYTES)
