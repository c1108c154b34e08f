"""Callers who keep asking while something is done to the gateway, and who count what they lose.

None of them tries anything again: a connection that ends before an answer is a request lost, as it is for a POST of
anybody who can't know whether it was done. Only a connection that said `Connection: close` is opened anew.
"""

from __future__ import annotations

import asyncio
import time

POST = b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
GET = b"GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
STREAM = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
PATIENCE_S = 10.0
AGAIN_S = 0.01
"""After a connection was refused: else whoever is refused asks some thousand times a second."""


class Callers:
    """`kept` ask on one connection each, `new` on a new one each time, `streams` read events without an end.

    `failures` says what went wrong, a line for each request lost; `reconnected` counts connections that the gateway
    ended with `Connection: close`, `streams_ended` the streams that did not go on for ever.
    """

    def __init__(self, port: int, *, post: bytes = POST, get: bytes = GET) -> None:
        self.port = port
        self.post = post
        self.get = get
        self.answered = 0
        self.failures: list[str] = []
        self.reconnected = 0
        self.streams_ended = 0
        self.events = 0
        self.took_s: list[float] = []
        self._stop = False
        self._tasks: list[asyncio.Task[None]] = []
        self._streams: list[asyncio.Task[None]] = []

    @property
    def slowest_s(self) -> float:
        """Of all answers since `took_s` was cleared last."""
        return max(self.took_s, default=0.0)

    def start(self, kept: int = 0, new: int = 0, streams: int = 0) -> None:
        """Begin to ask."""
        self._tasks += [asyncio.create_task(self._keep()) for _ in range(kept)]
        self._tasks += [asyncio.create_task(self._anew()) for _ in range(new)]
        self._streams += [asyncio.create_task(self._listen()) for _ in range(streams)]

    async def stop(self) -> None:
        """Ask no more; what is asked is still waited for."""
        self._stop = True
        await asyncio.gather(*self._tasks)
        for task in self._streams:
            task.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            return await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as error:
            self.failures.append(f"not connected: {error!r}")
            await asyncio.sleep(AGAIN_S)
            return None

    async def _keep(self) -> None:
        pair = await self._connected()
        while not self._stop:
            if pair is None:
                pair = await self._connected()
                continue
            closes = await self._ask(*pair, self.post)
            if closes:
                pair[1].close()
                pair = await self._connected()
        if pair is not None:
            pair[1].close()

    async def _anew(self) -> None:
        while not self._stop:
            pair = await self._connected()
            if pair is not None:
                await self._ask(*pair, self.get)
                pair[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
        """Whether the connection is of no more use."""
        began = time.perf_counter()
        try:
            writer.write(request)
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                lower = head.lower()
                length = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.failures.append(repr(error))
            return True
        self.took_s.append(time.perf_counter() - began)
        if head.startswith(b"HTTP/1.1 200 "):
            self.answered += 1
        else:
            self.failures.append(f"{head.decode('latin-1').splitlines()[0]}: {body[:300]!r}")
        if b"\r\nconnection: close" not in lower:
            return False
        if request is self.post:
            self.reconnected += 1
        return True

    async def _listen(self) -> None:
        while not self._stop:
            pair = await self._connected()
            if pair is None:
                continue
            reader, writer = pair
            try:
                writer.write(STREAM)
                while data := await reader.read(65536):
                    self.events += data.count(b"\n\n")
            except OSError:
                pass
            finally:
                writer.close()
            self.streams_ended += not self._stop
