"""Programs under the bench: started pinned to a core, watched in /proc, ended by their own pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PROXY_CORE = 0
LOAD_CORE = 1
# Below the kernel's ephemeral range (32768–60999), so that no client's port is ever in the way.
FIRST_PORT = 18000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class StartError(Exception):
    """A program did not come to serve; the message carries the end of its log."""


class Ports:
    """Hands out loopback ports that were free a moment ago, each once."""

    def __init__(self, first: int = FIRST_PORT) -> None:
        self._next = first

    def take(self) -> int:
        while True:
            port, self._next = self._next, self._next + 1
            if _is_free(port):
                return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def can_pin() -> bool:
    return shutil.which("taskset") is not None and (os.cpu_count() or 1) >= 2


def pinned(core: int, argv: Sequence[str]) -> list[str]:
    """argv bound to one core, or as it is where that cannot be done (machine.py says so)."""
    return ["taskset", "-c", str(core), *argv] if can_pin() else list(argv)


class Child:
    """One started program and the children that it made itself."""

    def __init__(
        self, name: str, argv: Sequence[str], core: int, log: Path, env: dict[str, str], cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                pinned(core, argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def wait_for_port(self, port: int, timeout_s: float = 15.0) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._popen.poll() is not None:
                raise StartError(f"{self.name} ended with {self._popen.returncode}: {self.tail()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                return
            time.sleep(0.05)
        raise StartError(f"{self.name} did not listen within {timeout_s:.0f} s: {self.tail()}")

    def alive(self) -> bool:
        return self._popen.poll() is None

    def tail(self, size: int = 800) -> str:
        return self.log.read_text(errors="replace")[-size:].strip()

    def rss(self) -> int:
        """Resident bytes of the program and all its descendants."""
        return sum(_rss(pid) for pid in (self.pid, *descendants(self.pid)))

    def cpu_seconds(self) -> float:
        """Processor time so far of the program and all its descendants, the kernel's included."""
        return sum(cpu_seconds(pid) for pid in (self.pid, *descendants(self.pid)))

    def stop(self, grace_s: float = 5.0) -> None:
        family = descendants(self.pid)
        if self.alive():
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait(grace_s)
        # A worker that outlives its master would stay on the measured core.
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            parents.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def _parent(entry: Path) -> int | None:
    try:
        # The command may hold blanks and brackets; fields are counted after its last bracket.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    except (OSError, ValueError, IndexError):
        return 0.0


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0
