"""A caller who leaves, at every point of its request: what was done for it ends too, and is recorded once."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.black_hole import black_hole
from tests.support.bulk import MIB, Bulk
from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.running import PLAIN, Gateway
from tests.support.scripted import hold, pause, send, stop_reading, take_head, take_request, tell
from tests.support.until import settled, until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE_BODIES = PLAIN.replace(
    "[services.origin]", '[gateway]\nmax_request_body = "1GiB"\n\n[services.origin]', 1
)
HALF_CLOSE = PLAIN.replace("[services.origin]", "[gateway]\nhalf_close = true\n\n[services.origin]", 1)

AT_ONCE_S = 0.5
PAUSED_S = 1.5
"""A second where reading was paused, and what a busy machine takes."""

WAYS = {"fin": Client.close, "rst": Client.reset}
ways = pytest.mark.parametrize("leave", WAYS.values(), ids=WAYS.keys())


def upstream(gw: Gateway) -> int:
    """Connections to services, and those being opened."""
    return sum(len(pool.connections) + pool.opening for pool in gw.worker.live.all_pools)


async def assert_left(gw: Gateway, status: int = 499) -> None:
    """Recorded once, as left; nothing goes on."""
    await until(lambda: gw.records)
    await until(lambda: not gw.worker.server.connections)
    assert [(record.status, record.code) for record in gw.records] == [(status, "client_closed")]
    assert gw.worker.counters.exchanges == 1
    assert gw.worker.server.paused == set()


async def send_until_paused(gw: Gateway, caller: Client) -> None:
    """What is sent beyond the pause is little, so that an end of file behind it can come through."""
    for _ in range(2000):
        await caller.send(b"x" * 32_768)
        await until(lambda: not caller.wire.transport.get_write_buffer_size())
        await asyncio.sleep(0.001)
        if gw.worker.server.paused:
            return
    raise AssertionError("reading was never paused")


@ways
async def test_before_the_head_is_whole(leave, gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.send(GET[:-2])
    leave(caller)
    await until(lambda: not gw.worker.server.connections)
    assert (gw.records, origin.connections) == ([], 0)


@ways
async def test_while_the_service_is_connected_to(leave, gateway):
    with black_hole() as url:
        gw = await gateway(PLAIN, ORIGIN=url)
        caller = await gw.connect()
        await caller.send(GET)
        await until(lambda: upstream(gw) == 1)
        leave(caller)
        await until(lambda: upstream(gw) == 0, AT_ONCE_S)
        await assert_left(gw)


@ways
@pytest.mark.parametrize("reused", [False, True], ids=["new", "kept"])
async def test_while_the_answer_is_waited_for(leave, reused: bool, gateway, scripted):
    asked = asyncio.Event()
    before = [take_request(), send(OK)] if reused else []
    server = await scripted([*before, take_request(), tell(asked), hold()])
    gw = await gateway(PLAIN, origin=server)
    if reused:
        await gw.ask(GET)
        await until(lambda: not gw.worker.server.connections)
        gw.records.clear()
        gw.worker.counters.exchanges = 0
    caller = await gw.connect()
    await caller.send(GET)
    await asked.wait()
    leave(caller)
    await until(lambda: server.open_connections == 0, AT_ONCE_S)
    await assert_left(gw)
    assert (server.connections, upstream(gw)) == (1, 0)
    assert gw.records[0].tries == 1


@ways
@pytest.mark.parametrize(
    "raw",
    [b"Content-Length: 9\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"\r\nab"],
    ids=["by length", "in chunks", "until close"],
)
async def test_inside_the_answer(leave, raw: bytes, gateway, scripted):
    server = await scripted([take_request(), send(b"HTTP/1.1 200 OK\r\n" + raw), hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(GET)
    await caller.wire.read_until(b"ab")
    leave(caller)
    await until(lambda: server.open_connections == 0, AT_ONCE_S)
    await assert_left(gw)
    assert upstream(gw) == 0


@ways
@pytest.mark.parametrize("sent", [b"", b"he"], ids=["head", "part"])
async def test_inside_its_upload(leave, sent: bytes, gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.send(POST % 5 + sent)
    await until(lambda: origin.heads)
    leave(caller)
    await until(lambda: origin.open_connections == 0, AT_ONCE_S)
    await assert_left(gw)
    assert origin.seen == []
    assert gw.records[0].bytes_in == len(sent)


@ways
async def test_after_its_upload_was_refused_early(leave, gateway, scripted):
    server = await scripted([take_head(), send(OK), hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(POST % 5 + b"he")
    assert (await caller.read_answer()).body == b"ok"
    leave(caller)
    await until(lambda: not gw.worker.server.connections)
    assert [(record.status, record.code) for record in gw.records] == [(200, None)]


@ways
async def test_with_its_upload_paused_by_backpressure(leave, gateway, scripted):
    server = await scripted([take_head(), stop_reading(), pause(30)])
    gw = await gateway(LARGE_BODIES, origin=server)
    caller = await gw.connect()
    await caller.send(POST % (64 * MIB))
    await send_until_paused(gw, caller)
    leave(caller)
    await until(lambda: upstream(gw) == 0, PAUSED_S)
    await assert_left(gw)


@ways
async def test_with_more_pipelined_than_is_read_ahead(leave, gateway, scripted):
    asked = asyncio.Event()
    server = await scripted([take_request(), tell(asked), hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(GET)
    await asked.wait()
    await send_until_paused(gw, caller)
    leave(caller)
    await until(lambda: server.open_connections == 0, PAUSED_S)
    await assert_left(gw)


@ways
async def test_with_the_answer_paused_by_backpressure(leave, gateway, level):
    origin = Bulk(64 * MIB)
    await origin.start()
    try:
        gw = await gateway(PLAIN, origin=origin)
        caller = await gw.connect()
        caller.wire.pause()
        await caller.send(GET)
        await until(lambda: origin.poured)
        await settled(lambda: origin.poured.left)
        caller.wire.linger_zero() if leave is Client.reset else None
        caller.wire.transport.abort()
        await until(lambda: upstream(gw) == 0, PAUSED_S)
        await assert_left(gw)
    finally:
        await origin.stop()


@ways
async def test_while_waiting_for_a_connection_of_a_full_pool(leave, gateway, scripted):
    asked = asyncio.Event()
    server = await scripted([take_request(), tell(asked), hold()])
    text = PLAIN.replace('url = "${ORIGIN}"', 'url = "${ORIGIN}"\npool = { max_connections = 1 }')
    gw = await gateway(text, origin=server)
    first = await gw.connect()
    await first.send(GET)
    await asked.wait()
    second = await gw.connect()
    await second.send(GET)
    await until(lambda: len(gw.worker.server.connections) == 2)
    leave(second)
    await until(lambda: gw.records)
    assert [(record.status, record.code) for record in gw.records] == [(499, "client_closed")]
    assert (server.open_connections, upstream(gw)) == (1, 1)


async def test_many_at_once_leave_nothing(gateway, scripted):
    server = await scripted([take_request(), hold()])
    gw = await gateway(PLAIN, origin=server)
    callers = [await gw.connect() for _ in range(100)]
    for caller in callers:
        await caller.send(GET)
    await until(lambda: len(server.taken) == 100)
    for number, caller in enumerate(callers):
        caller.reset() if number % 2 else caller.close()
    await until(lambda: server.open_connections == 0)
    await until(lambda: not gw.worker.server.connections)
    assert {(record.status, record.code) for record in gw.records} == {(499, "client_closed")}
    assert len(gw.records) == 100


# -- half_close


async def test_end_of_file_counts_as_leaving(gateway, scripted):
    asked = asyncio.Event()
    server = await scripted([take_request(), tell(asked), hold()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.send(GET)
    await asked.wait()
    caller.finish()
    assert await caller.read_answer() is None
    await until(lambda: server.open_connections == 0)
    await assert_left(gw)


@pytest.mark.parametrize("later", [False, True], ids=["with the request", "while it is answered"])
async def test_half_close_answers_if_asked_for(later: bool, gateway, scripted):
    asked, go = asyncio.Event(), asyncio.Event()

    async def wait(server, wire, number) -> None:
        await go.wait()

    server = await scripted([take_request(), tell(asked), wait, send(OK), hold()])
    gw = await gateway(HALF_CLOSE, origin=server)
    caller = await gw.connect()
    await caller.send(GET)
    if later:
        await asked.wait()
    caller.finish()
    await asked.wait()
    await asyncio.sleep(0.05)
    go.set()
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.body, answer.will_close()) == (b"ok", later or answer.will_close())
    assert await caller.closed()
    await until(lambda: gw.records)
    assert [(record.status, record.code) for record in gw.records] == [(200, None)]


async def test_half_close_answers_a_large_body_whole(gateway, level):
    origin = Bulk(8 * MIB)
    await origin.start()
    try:
        gw = await gateway(HALF_CLOSE, origin=origin)
        caller = await gw.connect()
        await caller.send(GET)
        caller.finish()
        answer = await caller.read_answer()
        assert answer is not None
        assert (len(answer.body), answer.clean) == (8 * MIB, True)
    finally:
        await origin.stop()


async def test_reset_is_leaving_even_with_half_close(gateway, scripted):
    asked = asyncio.Event()
    server = await scripted([take_request(), tell(asked), hold()])
    gw = await gateway(HALF_CLOSE, origin=server)
    caller = await gw.connect()
    await caller.send(GET)
    await asked.wait()
    caller.reset()
    await until(lambda: server.open_connections == 0, AT_ONCE_S)
    await assert_left(gw)


async def test_half_close_inside_an_upload_ends_it(gateway, origin: Origin):
    """The rest can't come any more: nothing is gained by waiting for body_timeout."""
    gw = await gateway(HALF_CLOSE, origin=origin)
    caller = await gw.connect()
    await caller.send(POST % 5 + b"he")
    await until(lambda: origin.heads)
    caller.finish()
    assert await caller.closed(within_s=2)
    await until(lambda: origin.open_connections == 0)
    assert origin.seen == []


async def test_half_close_answers_all_that_was_pipelined_before_it(gateway, origin: Origin):
    gw = await gateway(HALF_CLOSE, origin=origin)
    caller = await gw.connect()
    await caller.send(GET * 5)
    caller.finish()
    found = [await caller.read_answer() for _ in range(5)]
    assert [answer.status if answer else None for answer in found] == [200] * 5
    assert await caller.closed()
