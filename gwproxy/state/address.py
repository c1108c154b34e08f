"""Where a store is: what `[state] url` says, taken apart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

PORT: Final = 6379
SPOKEN: Final = ("redis", "rediss", "unix")
"""Schemes that this version has a store for."""


@dataclass(frozen=True, slots=True)
class Address:
    """A Redis or Valkey server: `path` of its unix socket, else host and port."""

    host: str = "127.0.0.1"
    port: int = PORT
    path: str = ""
    tls: bool = False
    user: str = ""
    password: str = ""
    database: int = 0

    def __str__(self) -> str:
        """For people and logs: without the password."""
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """What TLS is spoken with."""
        return ssl.create_default_context() if self.tls else None


def address_of(url: str) -> Address:
    """`redis://[user:password@]host[:port][/database]`, `rediss://…`, `unix://[user:password@]/path[?db=N]`."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix":
        database = int(parse_qs(parts.query).get("db", ["0"])[0])
        return Address(path=unquote(parts.path), user=user, password=password, database=database)
    return Address(
        parts.hostname or "127.0.0.1", parts.port or PORT, tls=parts.scheme == "rediss", user=user, password=password,
        database=int(parts.path.strip("/") or 0),
    )  # fmt: skip
