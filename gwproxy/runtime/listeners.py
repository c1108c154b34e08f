"""Listening sockets, made from the addresses of `[gateway] listen`."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from typing import Final

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, dotted

BACKLOG = 4096

_CURES: Final = {
    errno.EADDRINUSE: "choose another port, or stop what holds it",
    errno.EACCES: "choose a port above 1023, or a folder that may be written to",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.ENOENT: "make the folder that it is to be in",
    errno.EEXIST: "a file is there that is no socket: choose another path, or remove the file",
}
_SOCKET_IN_USE: Final = "choose another path, or stop what listens there"


class ListenError(Exception):
    """An address that cannot be listened on; the text says which, why, and what to do."""

    def __init__(self, address: str, why: str, place: str = "") -> None:
        super().__init__(f"{place}cannot listen on {address}: {why}")
        self.address, self.why, self.placed = address, why, bool(place)


@contextlib.contextmanager
def told_with_place(loaded: Loaded) -> Iterator[None]:
    """Give a ListenError the place where its address is written."""
    try:
        yield
    except ListenError as error:
        listen = loaded.config.gateway.listen
        if error.placed or error.address not in listen:
            raise
        key: Key = ("gateway", "listen", listen.index(error.address))
        place = f"{loaded.places.find(key)}: {dotted(key)}: "
        raise ListenError(error.address, error.why, place) from None


def listen_on(address: str) -> socket.socket:
    """A listening socket for "host:port", "[::1]:8080" or "unix:/path". Raises ListenError."""
    try:
        if address.startswith("unix:"):
            return _unix(address.removeprefix("unix:"))
        host, _, port = address.rpartition(":")
        return _tcp(host.strip("[]"), int(port))
    except OSError as error:
        raise ListenError(address, _why(address, error)) from None


def _why(address: str, error: OSError) -> str:
    said = error.strerror or str(error)
    cure = _CURES.get(error.errno or 0, "") if not isinstance(error, socket.gaierror) else ""
    if error.errno == errno.EADDRINUSE and address.startswith("unix:"):
        cure = _SOCKET_IN_USE
    return f"{said[:1].lower()}{said[1:]}" + (f"; {cure}" if cure else "")


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
            if not stat.S_ISSOCK(os.stat(path).st_mode):
                # bind() would call it an address in use, and nobody would find who uses it.
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            if not _answers(path):
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
