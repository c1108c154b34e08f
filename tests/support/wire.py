"""One end of a TCP connection that remembers what came, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Literal

TIMEOUT_S = 5.0
"""The longest that any step of a test waits for the other end."""

LINGER_ZERO = struct.pack("ii", 1, 0)

End = Literal["fin", "reset"]


class Ended(Exception):
    """The other end left before what was awaited had come."""

    def __init__(self, end: End, partial: bytes) -> None:
        super().__init__(f"connection ended by {end} after {partial[-80:]!r}")
        self.end = end
        self.partial = partial


class Wire(asyncio.Protocol):
    """Reads without bounds unless `pause` is called; writes go out at once."""

    def __init__(self, connected: Callable[[Wire], None] | None = None) -> None:
        self.buffer = bytearray()
        self.end: End | None = None
        self.transport: asyncio.Transport
        self.arrived = 0
        self._connected = connected
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Wire {self.end or 'open'} unread={bytes(self.buffer[:60])!r}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's own class
        if self._connected is not None:
            self._connected(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.arrived += len(data)
        self._changed.set()

    def eof_received(self) -> bool:
        self.end = self.end or "fin"
        self._changed.set()
        return True  # our half stays open: the test decides when it closes

    def connection_lost(self, reason: Exception | None) -> None:
        if self.end is None or reason is not None:
            self.end = "fin" if reason is None else "reset"
        self._changed.set()

    async def _change(self, timeout_s: float | None) -> None:
        self._changed.clear()
        async with asyncio.timeout(timeout_s):
            await self._changed.wait()

    def _take(self, size: int) -> bytes:
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def read_until(self, separator: bytes, timeout_s: float | None = TIMEOUT_S) -> bytes:
        """Everything up to and with `separator`; Ended when it can not come."""
        while (at := self.buffer.find(separator)) < 0:
            if self.end is not None:
                raise Ended(self.end, bytes(self.buffer))
            await self._change(timeout_s)
        return self._take(at + len(separator))

    async def read_exactly(self, size: int, timeout_s: float | None = TIMEOUT_S) -> bytes:
        while len(self.buffer) < size:
            if self.end is not None:
                raise Ended(self.end, bytes(self.buffer))
            await self._change(timeout_s)
        return self._take(size)

    async def read_all(self, timeout_s: float | None = TIMEOUT_S) -> bytes:
        """What comes until the other end leaves; `end` then says how it left."""
        while self.end is None:
            await self._change(timeout_s)
        return self._take(len(self.buffer))

    async def ended(self, within_s: float = TIMEOUT_S) -> End | None:
        """How the other end left, or None when it is still there after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.end is None:
                    await self._change(None)
        return self.end

    async def send(self, *pieces: bytes) -> None:
        """Writes each piece by itself, with a turn of the loop after each."""
        for piece in pieces:
            if self.transport.is_closing():
                return
            self.transport.write(piece)
            await asyncio.sleep(0)

    async def send_each(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            await self.send(piece)

    def finish(self) -> None:
        """Half-close: the other end reads our end of file and may still answer."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """Ends with RST (SO_LINGER 0), not FIN; what is unsent is thrown away."""
        self.linger_zero()
        self.transport.abort()

    def linger_zero(self) -> None:
        # uvloop's socket object has no setsockopt; a duplicate shares the option.
        number = self.transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(number)) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)


async def connect_wire(port: int, host: str = "127.0.0.1") -> Wire:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(TIMEOUT_S):
        _, wire = await loop.create_connection(Wire, host, port)
    return wire
