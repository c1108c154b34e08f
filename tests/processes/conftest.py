"""What the tests of processes share: a file to serve, and callers that keep asking."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

FILE = """
[gateway]
listen = {listen}
workers = {workers}
drain_timeout = "{drain}"
{gateway}
[log]
format = "text"
access = false
[services.origin]
url = "{url}"
[[routes]]
path = "/*"
method = "*"
service = "origin"
[[routes]]
path = "/mark"
respond = {{ status = 200, body = "{mark}" }}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a configuration, and gives the name of its file."""

    def write(url: str = "http://127.0.0.1:1", **values: object) -> str:
        usual = {"workers": 2, "drain": "10s", "gateway": "", "mark": "one", "url": url}
        usual["listen"] = f'["127.0.0.1:{values.pop("port", 0)}"]'
        file = tmp_path / "routes.toml"
        file.write_text(FILE.format(**usual | values), encoding="utf-8")
        return str(file)

    return write


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nobody listens on, most likely."""

    def free_port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return free_port


class Callers:
    """Callers that ask over and over: `kept` on one connection each, the others on a new one each time.

    `failures` says what went wrong: an answer that is not 200, or a connection that ended without one.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0
        self.slowest_s = 0.0
        self.failures: list[str] = []
        self.reconnected = 0
        self._stop = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, kept: int = 0, new: int = 0) -> None:
        self._tasks += [asyncio.create_task(self._keep()) for _ in range(kept)]
        self._tasks += [asyncio.create_task(self._anew()) for _ in range(new)]

    async def stop(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _keep(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while not self._stop:
            closes = await self._ask(reader, writer, b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            if closes:
                writer.close()
                self.reconnected += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.close()

    async def _anew(self) -> None:
        while not self._stop:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                self.failures.append(f"not connected: {error!r}")
                continue
            await self._ask(reader, writer, b"GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
        """Whether the connection is of no more use."""
        began = asyncio.get_running_loop().time()
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
                lower = head.lower()
                length = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.failures.append(repr(error))
            return True
        self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - began)
        if head.startswith(b"HTTP/1.1 200 "):
            self.answered += 1
        else:
            self.failures.append(head.decode("latin-1").splitlines()[0])
        return b"connection: close" in lower
