"""Large bodies: made, sent no faster than the other end takes them, and counted on both ends."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator

from tests.support.serving import Served
from tests.support.wire import Ended, Wire

MIB = 1 << 20
PIECE = 256 * 1024
WAITING = 256 * 1024

# What the kernel may hold of one stream through a proxy on loopback: a send and a receive buffer on either side, at
# their default bounds (tcp_wmem 4 MiB; tcp_rmem, of which half is window, grows to 32 MiB only for who reads).
KERNEL = 24 * MIB


def pieces(size: int, seed: int = 1) -> Iterator[bytes]:
    """`size` bytes that differ everywhere, in pieces of PIECE."""
    block = random.Random(seed).randbytes(PIECE)
    for number in range(0, size, PIECE):
        piece = number.to_bytes(8, "big") + block[8:]
        yield piece[: size - number]


def digest(size: int, seed: int = 1) -> str:
    whole = hashlib.sha1()
    for piece in pieces(size, seed):
        whole.update(piece)
    return whole.hexdigest()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Pour:
    """Sends a body; `left` says how many bytes have left for the kernel."""

    def __init__(self, wire: Wire, size: int, chunked: bool) -> None:
        self.wire = wire
        self.size = size
        self.chunked = chunked
        self._given = 0

    @property
    def left(self) -> int:
        return self._given - self.wire.transport.get_write_buffer_size()

    async def run(self) -> None:
        for piece in pieces(self.size):
            raw = chunk(piece) if self.chunked else piece
            while self.wire.transport.get_write_buffer_size() > WAITING:  # noqa: ASYNC110 (Wire has no event for it)
                if self.wire.end is not None:
                    return
                await asyncio.sleep(0.001)
            if self.wire.transport.is_closing():
                return
            self.wire.transport.write(raw)
            self._given += len(raw)
            await asyncio.sleep(0)
        if self.chunked:
            self.wire.transport.write(b"0\r\n\r\n")


class Drain:
    """Reads a body without keeping it: its digest and size."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.size = 0
        self._hash = hashlib.sha1()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def _take(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    async def by_length(self, size: int) -> None:
        while self.size < size:
            wanted = min(size - self.size, PIECE)
            self._take(await self.wire.read_exactly(wanted))

    async def chunks(self) -> None:
        while size := int(await self.wire.read_until(b"\r\n"), 16):
            self._take((await self.wire.read_exactly(size + 2))[:-2])
        await self.wire.read_exactly(2)


class Bulk(Served):
    """GET gives `size` bytes, POST takes what comes; `/chunked` in chunks. `gate` opens for bodies to be read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.gate = asyncio.Event()
        self.gate.set()
        self.poured: Pour | None = None
        self.drained: Drain | None = None

    async def serve(self, wire: Wire, number: int) -> None:
        try:
            while True:
                await self._exchange(wire, await wire.read_until(b"\r\n\r\n", None))
        except Ended:
            return

    async def _exchange(self, wire: Wire, head: bytes) -> None:
        chunked = head.split(b" ", 2)[1].startswith(b"/chunked")
        if head.startswith(b"GET"):
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % self.size
            wire.transport.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
            self.poured = Pour(wire, self.size, chunked)
            await self.poured.run()
            return
        self.drained = Drain(wire)
        if not self.gate.is_set():
            wire.pause()
            await self.gate.wait()
            wire.resume()
        await (self.drained.chunks() if chunked else self.drained.by_length(self.size))
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + self.drained.digest.encode())
