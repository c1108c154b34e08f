"""systemd's side of a service: sockets that it hands over, and what it is told (sd_listen_fds(3), sd_notify(3)).

Only the supervisor speaks here; nothing of it is left in its children's environment (runtime/member.py).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Final

FIRST_FD: Final = 3
STORED: Final = "gwproxy-"
"""What the names of sockets begin with that systemd keeps for us over a restart."""


def inherited(environ: Mapping[str, str]) -> dict[str, list[socket.socket]]:
    """The sockets that this very process was given, by name, non-blocking and closed on exec."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    try:
        count = int(environ.get("LISTEN_FDS", ""))
    except ValueError:
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for at in range(count):
        fd = FIRST_FD + at
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        found.setdefault(names[at] if at < len(names) and names[at] else "unknown", []).append(sock)
    return found


def stored_name(address: str) -> str:
    """The name under which systemd keeps the socket of an address; it must not have a colon."""
    return STORED + address.replace(":", "_")


class Notifier:
    """Tells systemd how the service is; without $NOTIFY_SOCKET nothing is told."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with "@" for its NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._kept: set[str] = set()
        usec = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        # A third of what systemd allows, so that one that is lost or late does no harm.
        self.watchdog_s = int(usec) / 3e6 if usec.isdigit() and ours and self._address else None

    def _say(self, *lines: str, fds: Sequence[int] = ()) -> None:
        if not self._address:
            return
        # systemd's restart or our own end may have taken it; nothing of ours depends on it.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(self._address)
            socket.send_fds(sock, ["\n".join(lines).encode()], list(fds))

    def ready(self, status: str) -> None:
        """It serves, or serves again after a reload."""
        self._say("READY=1", f"STATUS={_line(status)}")

    def reloading(self) -> None:
        """A reload begins. Since 253 systemd wants the time in the same datagram, or waits in vain."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, within_s: float) -> None:
        """It ends, and may take that long."""
        self._say("STOPPING=1", "STATUS=finishing what is under way", f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    def alive(self) -> None:
        """The watchdog's sign of life."""
        self._say("WATCHDOG=1")

    def forget(self, names: Sequence[str]) -> None:
        """Have systemd keep no longer what nobody wants."""
        for name in names:
            self._say("FDSTOREREMOVE=1", f"FDNAME={name}")

    def keep(self, sockets: Mapping[str, socket.socket]) -> None:
        """Have systemd keep these listening sockets over a restart, and no others, so that their queues outlive us."""
        for address in self._kept - sockets.keys():
            self._say("FDSTOREREMOVE=1", f"FDNAME={stored_name(address)}")
        for address in sockets.keys() - self._kept:
            self._say("FDSTORE=1", f"FDNAME={stored_name(address)}", fds=[sockets[address].fileno()])
        self._kept = set(sockets)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
