"""A service that plays a list of steps on each connection, whatever it is sent.

    server = await scripted([take_request(), send(b"HTTP/1.1 200 OK\\r\\n"), reset()])

The nth connection plays the nth list, and those after the last play the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.support.origin import Request, parse_request_head, read_request_body
from tests.support.pieces import Cut, whole
from tests.support.serving import Served
from tests.support.wire import Ended, Wire

Step = Callable[["Scripted", Wire, int], Awaitable[None]]


class Scripted(Served):
    """`taken` holds the requests that `take_request` read, `fed` raw bytes."""

    def __init__(self, *scripts: Sequence[Step]) -> None:
        super().__init__()
        self.scripts = scripts
        self.taken: list[Request] = []
        self.fed = bytearray()

    async def serve(self, wire: Wire, number: int) -> None:
        script = self.scripts[min(number, len(self.scripts)) - 1]
        try:
            for step in script:
                await step(self, wire, number)
        except Ended:
            return  # the gateway left first; the test asserts on what it sees


def send(raw: bytes, cut: Cut = whole) -> Step:
    async def step(server: Scripted, wire: Wire, number: int) -> None:
        await wire.send_each(cut(raw))

    return step


def take_request() -> Step:
    """Reads one whole request, body and all."""

    async def step(server: Scripted, wire: Wire, number: int) -> None:
        head = parse_request_head(await wire.read_until(b"\r\n\r\n", None), number)
        body = await read_request_body(wire, head.headers)
        server.taken.append(
            Request(
                number,
                head.method,
                head.target,
                head.headers,
                body.data,
                body.trailers,
                head.raw_head,
            )
        )

    return step


def take_head() -> Step:
    """Reads a request's head and leaves its body where it is."""

    async def step(server: Scripted, wire: Wire, number: int) -> None:
        raw = await wire.read_until(b"\r\n\r\n", None)
        server.taken.append(parse_request_head(raw, number))

    return step


def take(size: int) -> Step:
    """Reads `size` bytes, whatever they are."""

    async def step(server: Scripted, wire: Wire, number: int) -> None:
        server.fed += await wire.read_exactly(size, None)

    return step


def wait_for(event: asyncio.Event) -> Step:
    async def step(server: Scripted, wire: Wire, number: int) -> None:
        await event.wait()

    return step


def tell(event: asyncio.Event) -> Step:
    """Lets the test know that the script has come this far."""

    async def step(server: Scripted, wire: Wire, number: int) -> None:
        event.set()

    return step


def pause(duration_s: float) -> Step:
    async def step(server: Scripted, wire: Wire, number: int) -> None:
        await asyncio.sleep(duration_s)

    return step


def stop_reading() -> Step:
    async def step(server: Scripted, wire: Wire, number: int) -> None:
        wire.pause()

    return step


def close() -> Step:
    async def step(server: Scripted, wire: Wire, number: int) -> None:
        wire.close()

    return step


def reset() -> Step:
    async def step(server: Scripted, wire: Wire, number: int) -> None:
        await asyncio.sleep(0.002)  # the bytes before the RST are to be read
        wire.reset()

    return step


def hold() -> Step:
    """Keeps the connection open until the gateway leaves it."""

    async def step(server: Scripted, wire: Wire, number: int) -> None:
        await wire.read_all(None)

    return step
