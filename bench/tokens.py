"""The tokens that the bench's callers prove who they are by. The same in every run: they expire in the year 2100.

Gateways know the secret by their files in peers/ (a test compares them).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import jwt

SECRET: Final = "bench-secret-bench-secret-bench-secret"
ISSUER: Final = "https://id.example.com"
AUDIENCE: Final = "api"
PERMISSION: Final = "bench:read"
EXPIRES: Final = 4_102_444_800
MANY: Final = 1_000
"""Callers with a token each, where a workload has different ones."""


def token(number: int = 0, key: Any = SECRET, algorithm: str = "HS256") -> str:
    """The token of one caller. It says who that is, a role and a permission: about 260 bytes with HS256."""
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": f"caller-{number}", "role": "user", "permissions": [PERMISSION],
        "exp": EXPIRES,
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm)


def line(text: str) -> str:
    """The field of a request that carries a token."""
    return f"Authorization: Bearer {text}"


KNOWN: Final = token()
FORGED: Final = token(key=SECRET[::-1])
"""As well made as KNOWN, by somebody who has not got the secret."""


def write(path: Path, count: int = MANY) -> Path:
    """Tokens of `count` callers, one a line, for workloads/varied.lua."""
    path.write_text("".join(f"{token(number)}\n" for number in range(count)))
    return path
