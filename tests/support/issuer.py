"""An issuer that publishes its keys, or lies, or is slow, or is not there. It counts how often it was asked."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from typing import Any

from tests.support.issuing import key_set
from tests.support.origin import AnswerLike, Origin, Request
from tests.support.wire import Wire

KEYS = "/jwks.json"
DISCOVERY = "/.well-known/openid-configuration"


def answered(body: bytes, status: str = "200 OK", *fields: str) -> bytes:
    """An answer whole."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields])
    return head.encode() + b"\r\n\r\n" + body


def endless(raw: bytes) -> Iterator[bytes]:
    """`raw` and then 32 MB of a body that goes on: as good as without an end to who reads 256 KiB."""
    yield raw
    for _ in range(2000):
        yield b"4000\r\n" + b" " * 0x4000 + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Issuer(Origin):
    """A recording service; `pages` are its answers by path. It can go `down` and come `up` again at the same port."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self._port = 0
        self.pages: dict[str, AnswerLike] = {}
        self._gate: asyncio.Event | None = None
        self.answer(self._page)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        made = loop.create_server(lambda: Wire(self._accept), "127.0.0.1", self._port, ssl=self._tls)
        self._server = await made
        self._port = self.port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def keys_url(self) -> str:
        return self.url + KEYS

    @property
    def asked(self) -> int:
        """How often the key set was asked for."""
        return sum(request.target.decode() == KEYS for request in self.seen)

    def publish(self, *keys: object) -> None:
        """These are the keys from now on."""
        self.pages[KEYS] = answered(key_set(*keys))

    def discover(self, path: str = "", **members: Any) -> str:
        """Publish a discovery document below `path`; what the issuer is called."""
        issuer = self.url + path
        said = {"issuer": issuer, "jwks_uri": self.keys_url, **members}
        self.pages[path.rstrip("/") + DISCOVERY] = answered(json.dumps(said).encode())
        return issuer

    def hold(self) -> asyncio.Event:
        """No answer is given until the event is set."""
        self._gate = asyncio.Event()
        return self._gate

    async def down(self) -> None:
        """Connections are refused."""
        await self.stop()

    async def up(self) -> None:
        """Connections are taken again, at the same port."""
        await self.start()

    async def _page(self, request: Request) -> bytes:
        if self._gate is not None:
            await self._gate.wait()
        page = self.pages.get(request.target.decode(), answered(b"not here", "404 Not Found"))
        made = page(request) if callable(page) else page
        return made if isinstance(made, bytes) else await made
