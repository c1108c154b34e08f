"""Where a store is: what `[state] url` says, taken apart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
SENTINEL: Final = "redis+sentinel"
CLUSTER: Final = "redis+cluster"
SPOKEN: Final = ("redis", "rediss", "unix", SENTINEL, CLUSTER)
"""Schemes of stores that are servers."""


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

    def at(self, host: str, port: int) -> Address:
        """Another server that is spoken to in the same way."""
        return replace(self, host=host, port=port)


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL says. `addresses` are of the server, of some of a cluster's nodes, or of the sentinels that know
    where `primary` is, which is then spoken to as `server` says.
    """

    addresses: tuple[Address, ...]
    server: Address
    primary: str = ""
    cluster: bool = False

    def __str__(self) -> str:
        """For people and logs."""
        where = ", ".join(map(str, self.addresses))
        if self.primary:
            return f"{self.primary} of the sentinels {where}"
        return f"the cluster of {where}" if self.cluster else where


def place_of(url: str) -> Place:
    """`redis://[user:password@]host[:port][/database]`, `rediss://…`, `unix://[user:password@]/path[?db=N]`,
    `redis+cluster://[user:password@]host:port,…`, `redis+sentinel://[user:password@]host:port,…/primary[/database]`.

    Of sentinels user and password are the server's, which is where they are needed.
    """
    parts = urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    server = Address(user=unquote(user), password=unquote(password))
    if parts.scheme == "unix":
        database = int(parse_qs(parts.query).get("db", ["0"])[0])
        server = replace(server, path=unquote(parts.path), database=database)
        return Place((server,), server)
    words = parts.path.strip("/").split("/")
    if parts.scheme == SENTINEL:
        server = replace(server, database=int(words[1]) if words[1:] else 0)
        sentinels = tuple(Address(host, port) for host, port in _hosts(parts, SENTINEL_PORT))
        return Place(sentinels, server, primary=words[0])
    server = replace(server, tls=parts.scheme == "rediss", database=int(words[0] or 0))
    addresses = tuple(server.at(host, port) for host, port in _hosts(parts, PORT))
    return Place(addresses, addresses[0], cluster=parts.scheme == CLUSTER)


def _hosts(parts: SplitResult, usual: int) -> list[tuple[str, int]]:
    found = []
    for word in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{word}")
        found.append((one.hostname or "127.0.0.1", one.port or usual))
    return found
