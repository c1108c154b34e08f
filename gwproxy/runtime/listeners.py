"""Listening sockets, made from the addresses of `[gateway] listen`."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Mapping, Sequence

from gwproxy.runtime.systemd import stored_name

BACKLOG = 4096


class ListenError(Exception):
    """An address that cannot be listened on; the text says which and why."""


class Listeners:
    """The listening sockets of a process, by address, for as long as the configuration names them.

    `inherited` are those that systemd handed over, by name: what "fd:NAME" means, and what it kept over a restart.
    """

    def __init__(self, inherited: Mapping[str, Sequence[socket.socket]] | None = None) -> None:
        self._held: dict[str, socket.socket] = {}
        self._inherited = {name: list(sockets) for name, sockets in (inherited or {}).items()}

    def opened(self, addresses: Sequence[str]) -> dict[str, socket.socket]:
        """A socket for each address: the one that is held, else a new one. ListenError, with no new one kept."""
        wanted: dict[str, socket.socket] = {}
        with contextlib.ExitStack() as undo:
            for address in addresses:
                if address.startswith("fd:"):
                    wanted.update(self._handed_over(address))
                    continue
                # Port 0 may be asked for twice, and is another each time.
                name = address if address not in wanted else f"{address}#{len(wanted)}"
                wanted[name] = self._held.get(name) or self._kept(address) or undo.enter_context(listen_on(address))
            undo.pop_all()
        self._held.update(wanted)
        return wanted

    def _handed_over(self, address: str) -> dict[str, socket.socket]:
        """The sockets of "fd:NAME": a .socket unit may have several addresses under one name."""
        sockets = self._inherited.get(address.removeprefix("fd:"))
        if not sockets:
            names = ", ".join(sorted(self._inherited)) or "none"
            raise ListenError(
                f"cannot listen on {address}: no socket of that name was handed over (there are: {names})"
            )
        return {address if not at else f"{address}#{at}": sock for at, sock in enumerate(sockets)}

    def _kept(self, address: str) -> socket.socket | None:
        kept = self._inherited.pop(stored_name(address), None)
        return kept[0] if kept else None

    def only(self, sockets: Mapping[str, socket.socket]) -> None:
        """Close all but these."""
        for name in [name for name in self._held if name not in sockets]:
            sock = self._held.pop(name)
            if not name.startswith("fd:"):
                # What was handed over may be asked for again, and cannot be had a second time.
                sock.close()

    def shown(self) -> list[str]:
        """Where it listens, for people."""
        return [shown(sock) for sock in self._held.values()]

    @property
    def own(self) -> dict[str, socket.socket]:
        """Those that were bound here, and not handed over by name."""
        return {name: sock for name, sock in self._held.items() if not name.startswith("fd:")}

    def close(self) -> None:
        """Close all."""
        self.only({})
        for sockets in self._inherited.values():
            for sock in sockets:
                sock.close()
        self._inherited.clear()


def shown(sock: socket.socket) -> str:
    """The address of a listening socket, for people."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


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
