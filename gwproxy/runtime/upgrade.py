"""What a supervisor leaves to the one that takes its place in the same process (SIGUSR2, `gwproxy upgrade`).

execve(2) keeps the process and its children, and every descriptor that is not closed on exec: listeners, the lock of
the runtime folder, and the ends of the workers' socket pairs. What they are is written into a file in memory whose
number is in the environment. Signals stay blocked until the new supervisor hears them: none can end it in between.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NoReturn

import msgspec
from msgspec import Struct

from gwproxy.runtime.held_back import hear, hold_back
from gwproxy.runtime.python import python
from gwproxy.telemetry.tally import Tally

VARIABLE: Final = "GWPROXY_UPGRADE_FD"
CHECK_S: Final = 60.0
"""A check by new code that takes longer refuses the upgrade."""
TURNS: Final = 5
"""Of the loop, from the moment a signal was received to what it asks for having begun."""


class Left(Struct, frozen=True):
    """One worker that lives on; `giving` are connections that it has not said yet that it has, by packet."""

    number: int
    pid: int
    channel: int
    state: str
    tally: Tally
    giving: dict[int, list[int]]


class Legacy(Struct, frozen=True, kw_only=True):
    """Everything that lives on, by descriptor; `store` is the process that limits are counted in, 0 for none."""

    generation: int
    instance: str
    began: float
    lock: int
    sockets: dict[str, int]
    inherited: dict[str, list[int]]
    workers: tuple[Left, ...]
    orphans: list[int]
    gone: Tally
    store: int = 0

    @property
    def fds(self) -> list[int]:
        """What must not be closed on exec."""
        named = [fd for fds in self.inherited.values() for fd in fds]
        given = [fd for left in self.workers for fds in left.giving.values() for fd in fds]
        channels = [left.channel for left in self.workers]
        return [self.lock, *self.sockets.values(), *named, *channels, *given, *self.orphans]


async def faults_by_new_code(path: Path, environ: Mapping[str, str], held: Iterable[str]) -> list[str]:
    """What the code that is installed now says against serving the file, with the sockets of `held`; else nothing."""
    words = [*python(), "-m", "gwproxy.runtime.rehearse", str(path), *held]
    return await asyncio.to_thread(_faults, words, dict(environ))


def _faults(words: list[str], environ: dict[str, str]) -> list[str]:
    try:
        check = subprocess.run(
            words, env=environ, timeout=CHECK_S, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [f"the new code did not say within {CHECK_S:g} s whether it could serve the file"]
    except OSError as error:
        return [f"the new code cannot be started: {error}"]
    lines = check.stdout.decode("utf-8", "replace").splitlines()
    return (lines or [f"the new code ended with {check.returncode}"]) if check.returncode else []


def become(legacy: Legacy, words: list[str], environ: Mapping[str, str]) -> NoReturn:
    """Be another gwproxy from here, in the same process, behind `hold_signals`. Only returns by raising OSError."""
    file = os.memfd_create("gwproxy-upgrade", 0)
    os.write(file, msgspec.json.encode(legacy))
    for fd in legacy.fds:
        os.set_inheritable(fd, True)
    try:
        sys.stderr.flush()
        os.execve(sys.executable, [*python(), "-m", "gwproxy", *words], {**environ, VARIABLE: str(file)})
    finally:
        hear()
        for fd in legacy.fds:
            os.set_inheritable(fd, False)
        os.close(file)


def inherited_legacy(environ: Mapping[str, str]) -> Legacy | None:
    """What the supervisor before this one has left; None where there was none."""
    number = environ.get(VARIABLE, "")
    if not number.isdigit():
        return None
    file = int(number)
    legacy = msgspec.json.decode(os.pread(file, os.fstat(file).st_size, 0), type=Legacy)
    os.close(file)
    for fd in legacy.fds:
        os.set_inheritable(fd, False)
    return legacy


async def hold_signals() -> None:
    """From here signals wait until `hear`, over an execve too. What was received before has been heard."""
    hold_back()
    for _ in range(TURNS):
        await asyncio.sleep(0)


def sockets_of(fds: Mapping[str, int]) -> dict[str, socket.socket]:
    """Listening sockets, by address."""
    return {address: _socket(fd) for address, fd in fds.items()}


def named_sockets_of(fds: Mapping[str, list[int]]) -> dict[str, list[socket.socket]]:
    """Sockets that systemd handed over, by name."""
    return {name: [_socket(fd) for fd in some] for name, some in fds.items()}


def _socket(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock


def words_of(path: Path, runtime: Path) -> list[str]:
    """The command line of a supervisor of this file and folder."""
    return ["run", str(path), "--runtime", str(runtime)]
