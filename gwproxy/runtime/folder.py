"""The runtime folder: where one supervisor holds a lock, and listens for those who operate it.

It is 0700 and its owner's. The lock is the kernel's (flock), so that it goes with the process however that ends, and a
socket that is found in a folder whose lock is free was left behind.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

SOCKET: Final = "control.sock"
LOCK: Final = "lock"


class FolderError(Exception):
    """A runtime folder that cannot be used; the text says why and what to do."""


def default_folder(environ: Mapping[str, str]) -> Path:
    """Where it is if nobody says: systemd's, the user's, or a folder of our own."""
    if environ.get("RUNTIME_DIRECTORY"):
        # systemd.exec(5): several are separated by colons.
        return Path(environ["RUNTIME_DIRECTORY"].split(":")[0])
    if environ.get("XDG_RUNTIME_DIR"):
        return Path(environ["XDG_RUNTIME_DIR"]) / "gwproxy"
    if os.geteuid() == 0:
        return Path("/run/gwproxy")
    return Path(tempfile.gettempdir()) / f"gwproxy-{os.geteuid()}"


class RuntimeFolder:
    """A folder whose lock is held, until `close`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def held(cls, path: Path) -> Self:
        """Make `path` where it is missing, and lock it. Raises FolderError."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check(path)
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderError(
                f"the runtime folder {path} cannot be used: {error.strerror}: name another with --runtime"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise FolderError(
                f"another gateway (pid {pid}) has the runtime folder {path}: stop it, or name another with --runtime"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        (path / SOCKET).unlink(missing_ok=True)
        return cls(path, lock)

    @classmethod
    def inherited(cls, path: Path, lock: int) -> Self:
        """The folder whose lock this very process holds already."""
        (path / SOCKET).unlink(missing_ok=True)
        return cls(path, lock)

    @property
    def lock(self) -> int:
        """The descriptor that holds the lock."""
        return self._lock

    @property
    def socket(self) -> Path:
        """Where operators are listened to."""
        return self.path / SOCKET

    def faults(self) -> list[str]:
        """Why a successor could not have this folder; nothing where it could."""
        try:
            same = os.path.samestat(os.stat(self.path / LOCK), os.fstat(self._lock))
        except OSError:
            same = False
        return [] if same else [f"the runtime folder {self.path} has been removed or replaced: restart the gateway"]

    def close(self) -> None:
        """Give the lock back. The folder stays: systemd's is systemd's to remove."""
        self.socket.unlink(missing_ok=True)
        os.ftruncate(self._lock, 0)
        os.close(self._lock)


def is_taken(path: Path) -> bool:
    """Whether a gateway lives that has this runtime folder, even if it does not listen at this moment."""
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _check(path: Path) -> None:
    """Others must not be able to put a socket of theirs there."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise FolderError(f"the runtime folder {path} belongs to another user: name another with --runtime")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise FolderError(
            f"the runtime folder {path} can be written to by others: chmod 700 it, or name another with --runtime"
        )
