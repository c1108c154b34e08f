"""Large bodies through a slow peer, either way: whole to the byte, and never piled up in the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.support.bulk import KERNEL, MIB, Bulk, Drain, Pour, digest
from tests.support.client import Client, connect
from tests.support.origin import Origin
from tests.support.running import PLAIN, Gateway, recorded, with_listener
from tests.support.scripted import close, hold, send, stop_reading, take_head, take_request, tell
from tests.support.until import settled, until
from tests.support.wire import Wire

SIZE = 64 * MIB
BOUND = 128 * 1024
"""The most that the gateway itself may hold of one body on one side."""

LARGE_BODIES = PLAIN.replace(
    "[services.origin]", '[gateway]\nmax_request_body = "1GiB"\n\n[services.origin]', 1
)
FRAMINGS = {"by length": "/length", "in chunks": "/chunked"}


@contextlib.asynccontextmanager
async def bulk_origin(size: int = SIZE) -> AsyncIterator[Bulk]:
    origin = Bulk(size)
    await origin.start()
    try:
        yield origin
    finally:
        await origin.stop()


def held_for_callers(gw: Gateway) -> int:
    """Bytes that wait in the gateway's own memory for callers to read them."""
    return sum(c.transport.get_write_buffer_size() for c in gw.worker.server.connections)


def held_for_services(gw: Gateway) -> int:
    pools = gw.worker.live.all_pools
    return sum(c.transport.get_write_buffer_size() for pool in pools for c in pool.connections)


async def framed(drain: Drain, path: str, size: int) -> None:
    await drain.wire.read_until(b"\r\n\r\n")
    await (drain.chunks() if path == "/chunked" else drain.by_length(size))


@pytest.mark.parametrize("path", FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_download_waits_for_a_caller_who_does_not_read(path: str, gateway, level):
    async with bulk_origin() as origin:
        gw = await gateway(LARGE_BODIES, origin=origin)
        caller = await gw.connect()
        caller.wire.pause()
        await caller.send(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
        await until(lambda: origin.poured)
        left = await settled(lambda: origin.poured.left)
        assert left < KERNEL
        assert held_for_callers(gw) <= BOUND
        caller.wire.resume()
        drain = Drain(caller.wire)
        await framed(drain, path, SIZE)
        assert (drain.size, drain.digest) == (SIZE, digest(SIZE))
        assert gw.records[-1].bytes_out == SIZE


@pytest.mark.parametrize("path", FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_download_at_the_pace_of_a_caller_who_reads_now_and_then(path: str, gateway, level):
    size = 24 * MIB
    async with bulk_origin(size) as origin:
        gw = await gateway(LARGE_BODIES, origin=origin)
        caller = await gw.connect()
        await caller.send(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
        drain = Drain(caller.wire)
        reading = asyncio.ensure_future(framed(drain, path, size))
        most = 0
        while not reading.done():
            caller.wire.pause()
            await asyncio.sleep(0.02)
            most = max(most, held_for_callers(gw))
            caller.wire.resume()
            await asyncio.sleep(0.004)
        await reading
        assert drain.digest == digest(size)
        assert most <= BOUND


@pytest.mark.parametrize("path", FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_upload_waits_for_a_service_that_does_not_read(path: str, gateway, level):
    async with bulk_origin() as origin:
        origin.gate.clear()
        gw = await gateway(LARGE_BODIES, origin=origin)
        caller = await gw.connect()
        chunked = path == "/chunked"
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
        await caller.send(b"POST %b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (path.encode(), framing))
        pour = Pour(caller.wire, SIZE, chunked)
        pouring = asyncio.ensure_future(pour.run())
        left = await settled(lambda: pour.left)
        assert left < KERNEL
        assert held_for_services(gw) <= BOUND
        origin.gate.set()
        answer = await caller.read_answer()
        await pouring
        assert answer is not None
        assert answer.body.decode() == digest(SIZE)
        assert gw.records[-1].bytes_in == SIZE


@contextlib.asynccontextmanager
async def tiny_buffers(text: str, url: str) -> AsyncIterator[tuple[Gateway, Client]]:
    """A gateway and a caller with so little room in the kernel that what piles up does so in the gateway."""
    from gwproxy.config.load import loads
    from gwproxy.runtime.worker import Worker

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    listening.listen(8)
    listening.setblocking(False)
    records: list[object] = []
    worker = Worker(loads(with_listener(text), environ={"ORIGIN": url}), recorded(records))
    await worker.start({"tiny": listening})
    try:
        calling = socket.socket()
        calling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        calling.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(calling, listening.getsockname())
        _, wire = await loop.create_connection(Wire, sock=calling)
        caller = Client(wire)
        try:
            yield Gateway(worker, records), caller
        finally:
            caller.reset()
    finally:
        await worker.stop(drain_s=0)


async def test_download_behind_an_answer_that_nobody_reads_waits_too(level):
    """The first answer fills the write buffer in part; the second, begun on it, must not flow without bound."""
    size = 32 * MIB
    async with bulk_origin(size) as origin:
        text = LARGE_BODIES + '\n[[routes]]\npath = "/fixed"\nrespond = { body = "%s" }\n' % ("x" * 50_000)
        async with tiny_buffers(text, origin.url) as (gw, caller):
            caller.wire.pause()
            await caller.send(
                b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" + b"GET /length HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            await until(lambda: origin.poured)
            await settled(lambda: origin.poured.left)
            assert held_for_callers(gw) <= 2 * BOUND
            caller.wire.resume()
            assert len((await caller.read_answer()).body) == 50_000


async def test_pipelined_requests_are_not_read_without_bound(gateway, scripted):
    asked = asyncio.Event()
    server = await scripted([take_request(), tell(asked), hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    await asked.wait()
    pour = Pour(caller.wire, SIZE, chunked=False)
    pouring = asyncio.ensure_future(pour.run())
    assert await settled(lambda: pour.left) < KERNEL
    [connection] = gw.worker.server.connections
    assert len(connection.receiver.held) <= 4 * 64 * 1024
    caller.reset()
    await pouring


# -- answers before the upload has ended

REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n%b\r\n\r\nbig"
UPLOAD = b"POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
CLOSING = {"and closes": b"Connection: close", "and keeps": b"A: b"}


@pytest.mark.parametrize("line", CLOSING.values(), ids=CLOSING.keys())
async def test_early_answer_is_passed_on_and_the_upload_is_not_read_without_bound(
    line: bytes, gateway, scripted
):
    server = await scripted([take_head(), stop_reading(), send(REFUSED % line), hold()])
    gw = await gateway(LARGE_BODIES, origin=server)
    caller = await gw.connect()
    await caller.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
    answer = await caller.read_answer()
    assert (answer.status, answer.body, answer.clean) == (413, b"big", True)
    assert answer.will_close()
    pour = Pour(caller.wire, SIZE, chunked=False)
    await pour.run()
    assert pour.left < KERNEL
    assert await caller.closed()
    assert [len(pool.connections) for pool in gw.worker.live.all_pools] == [0]
    assert (gw.records[-1].status, gw.records[-1].answered_by) == (413, "service")


async def test_caller_who_first_sends_all_still_finds_the_early_answer(gateway, scripted):
    """A caller that doesn't look before its upload is whole; what it sends by then fits the kernel's buffers."""
    server = await scripted([take_head(), send(REFUSED % b"Connection: close"), close()])
    gw = await gateway(LARGE_BODIES, origin=server)

    def blocking_caller() -> bytes:
        with socket.create_connection(("127.0.0.1", gw.port), timeout=5) as calling:
            calling.sendall(UPLOAD % (2 * MIB))
            with contextlib.suppress(OSError):
                calling.sendall(b"x" * (2 * MIB))
            found = b""
            with contextlib.suppress(OSError):
                while data := calling.recv(65536):
                    found += data
            return found

    found = await asyncio.to_thread(blocking_caller)
    assert found.startswith(b"HTTP/1.1 413 ")
    assert found.endswith(b"\r\n\r\nbig")


async def test_early_answer_that_goes_on_while_the_upload_does(gateway, scripted):
    """Both directions at once: an echo that answers each piece as it comes."""
    got = asyncio.Event()

    async def echo(server, wire, number) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            letter = await wire.read_exactly(1, None)
            await wire.send(b"1\r\n%b\r\n" % letter)
        await wire.send(b"0\r\n\r\n")
        got.set()

    server = await scripted([take_head(), echo, hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    await caller.wire.read_until(b"\r\n\r\n")
    for letter in b"hello":
        await caller.send(bytes([letter]))
        assert await caller.wire.read_until(b"\r\n") == b"1\r\n"
        assert await caller.wire.read_exactly(3) == b"%c\r\n" % letter
    assert await caller.wire.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


# -- streams of small pieces


async def test_each_event_arrives_before_the_next_is_sent(gateway, scripted):
    heard = asyncio.Event()

    async def events(server, wire, number) -> None:
        await wire.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(50):
            event = b"data: %d\n\n" % number
            await wire.send(b"%x\r\n%b\r\n" % (len(event), event))
            async with asyncio.timeout(5):
                await heard.wait()
            heard.clear()
        await wire.send(b"0\r\n\r\n")

    server = await scripted([take_request(), events, hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
    await caller.wire.read_until(b"\r\n\r\n")
    for number in range(50):
        size = int(await caller.wire.read_until(b"\r\n"), 16)
        assert (await caller.wire.read_exactly(size + 2)) == b"data: %d\n\n\r\n" % number
        heard.set()
    assert await caller.wire.read_exactly(5) == b"0\r\n\r\n"


async def test_each_piece_of_an_upload_arrives_before_the_next_is_sent(gateway, scripted):
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def take_each(server, wire, number) -> None:
        for _ in range(20):
            line = await wire.read_until(b"\r\n", None)
            pieces.put_nowait((await wire.read_exactly(int(line, 16) + 2, None))[:-2])
        await wire.read_until(b"0\r\n\r\n", None)
        await wire.send(b"HTTP/1.1 204 \r\n\r\n")

    server = await scripted([take_head(), take_each, hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(20):
        said = b"%d" % number
        await caller.send(b"%x\r\n%b\r\n" % (len(said), said))
        async with asyncio.timeout(5):
            assert await pieces.get() == said
    await caller.send(b"0\r\n\r\n")
    assert (await caller.read_answer()).status == 204


async def test_many_streams_at_once_are_each_their_own(gateway, level):
    size = 1 * MIB
    async with bulk_origin(size) as origin:
        gw = await gateway(LARGE_BODIES, origin=origin)
        callers = [await connect(gw.port) for _ in range(20)]
        drains = [Drain(caller.wire) for caller in callers]
        for caller in callers:
            await caller.send(b"GET /length HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.gather(*(framed(drain, "/length", size) for drain in drains))
        assert {drain.digest for drain in drains} == {digest(size)}
        for caller in callers:
            caller.close()


class Segments(Wire):
    """Counts what it reads, read by read."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def data_received(self, data: bytes) -> None:
        self.sizes.append(len(data))
        super().data_received(data)


async def test_small_answer_leaves_in_one_write(gateway, origin: Origin):
    """Head and body together: a caller reads once."""
    gw = await gateway(PLAIN, origin=origin)
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(Segments, "127.0.0.1", gw.port)
    caller = Client(wire)
    for turn in range(1, 4):
        assert (await caller.ask(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
        assert len(wire.sizes) == turn
    caller.close()
