"""Listening sockets, made from the addresses of `[gateway] listen`."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, dotted
from gwproxy.runtime.systemd import STORED, stored_name

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


class Listeners:
    """The listening sockets of a process, by address, for as long as the configuration names them.

    `inherited` are those that systemd handed over, by name: what "fd:NAME" means, and what it kept over a restart.
    """

    def __init__(
        self,
        inherited: Mapping[str, Sequence[socket.socket]] | None = None,
        held: Mapping[str, socket.socket] | None = None,
    ) -> None:
        self._held = dict(held or {})
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
            raise ListenError(address, f"no socket of that name was handed over (there are: {names})")
        return {address if not at else f"{address}#{at}": sock for at, sock in enumerate(sockets)}

    def _kept(self, address: str) -> socket.socket | None:
        kept = self._inherited.pop(stored_name(address), None)
        return kept[0] if kept else None

    @property
    def addresses(self) -> list[str]:
        """What can be listened on without anything new being bound."""
        return [*self._held, *(f"fd:{name}" for name in self._inherited)]

    def unclaimed(self) -> list[str]:
        """The names of sockets kept over a restart that no address wants: closed, since nobody would answer there."""
        names = [name for name in self._inherited if name.startswith(STORED)]
        for name in names:
            for sock in self._inherited.pop(name):
                sock.close()
        return names

    def only(self, sockets: Mapping[str, socket.socket]) -> None:
        """Close all but these, and remove the files of those that were bound here."""
        for name in [name for name in self._held if name not in sockets]:
            sock = self._held.pop(name)
            if not name.startswith("fd:"):
                # What was handed over may be asked for again, and cannot be had a second time.
                _unlink(sock)
                sock.close()

    def shown(self) -> list[str]:
        """Where it listens, for people."""
        return [shown(sock) for sock in self._held.values()]

    @property
    def fds(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """Descriptors of what is held by address, and of what was handed over by name."""
        # What was handed over and is served stands in both; once is enough.
        held = {name: sock.fileno() for name, sock in self.own.items()}
        return held, {name: [sock.fileno() for sock in some] for name, some in self._inherited.items()}

    @property
    def own(self) -> dict[str, socket.socket]:
        """Those that were bound here, and not handed over by name."""
        return {name: sock for name, sock in self._held.items() if not name.startswith("fd:")}

    def close(self) -> None:
        """Close all. Files of unix sockets stay: systemd may keep what is behind them for the next gateway."""
        for sock in self.own.values():
            sock.close()
        self._held.clear()
        for sockets in self._inherited.values():
            for sock in sockets:
                sock.close()
        self._inherited.clear()


def _unlink(sock: socket.socket) -> None:
    path = sock.getsockname()
    if sock.family != socket.AF_UNIX or not path:
        return
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


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
