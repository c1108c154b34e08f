"""Listening sockets, made from the addresses of `[gateway] listen`."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

BACKLOG = 4096


class ListenError(Exception):
    """An address that cannot be listened on; the text says which and why."""


def listen_on(address: str) -> socket.socket:
    """A listening socket for "host:port", "[::1]:8080" or "unix:/path". Raises ListenError."""
    try:
        if address.startswith("unix:"):
            return _unix(address.removeprefix("unix:"))
        host, _, port = address.rpartition(":")
        return _tcp(host.strip("[]"), int(port))
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from None


def _tcp(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, proto, _, where = found[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path):
                # Left behind by a gateway that was killed.
                os.unlink(path)
        sock.bind(path)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0
