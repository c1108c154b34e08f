"""Bodies and connections beyond their bounds: refused by the table, and nobody else is harmed."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.support.bulk import MIB, Pour
from tests.support.client import Answer, Client
from tests.support.origin import Origin
from tests.support.problems import assert_problem
from tests.support.running import PLAIN, Gateway
from tests.support.until import until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
LIMIT = 1000
ROUTES = """
[gateway]
max_request_body = 1000

[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/*"
method = "*"
service = "origin"

[[routes]]
path = "/small"
service = "origin"
max_request_body = 10

[[routes]]
path = "/large"
service = "origin"
max_request_body = "1MiB"
"""
LIMITS = {"/a": LIMIT, "/small": 10, "/large": MIB}
limits = pytest.mark.parametrize(("path", "limit"), LIMITS.items(), ids=LIMITS.keys())


def by_length(path: str, size: int) -> list[bytes]:
    return [b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size), b"x" * size]


def in_chunks(path: str, size: int) -> list[bytes]:
    step = max(size // 7, 1)
    parts = [min(step, size - start) for start in range(0, size, step)]
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode()
    return [head, *(b"%x\r\n%b\r\n" % (part, b"x" * part) for part in parts), b"0\r\n\r\n"]


framings = pytest.mark.parametrize("framed", [by_length, in_chunks])


async def sent(caller: Client, pieces: list[bytes], pause_s: float) -> Answer:
    for piece in pieces:
        await caller.send(piece)
        await asyncio.sleep(pause_s)
    answer = await caller.read_answer()
    assert answer is not None
    return answer


@limits
@framings
@pytest.mark.parametrize("pause_s", [0, 0.002], ids=["at once", "slowly"])
async def test_body_of_the_limit_passes_and_one_byte_more_does_not(
    pause_s: float, framed, path: str, limit: int, gateway, origin: Origin
):
    gw: Gateway = await gateway(ROUTES, origin=origin)
    other = await gw.connect()
    assert (await other.ask(GET)).status == 200
    caller = await gw.connect()
    assert (await sent(caller, framed(path, limit), pause_s)).status == 200
    assert len(origin.last.body) == limit
    answer = await sent(caller, framed(path, limit + 1), pause_s)
    assert answer.status == 413
    assert_problem(answer, "body_too_large")
    assert answer.will_close()
    assert await caller.closed()
    assert len(origin.seen) == 2
    assert (await other.ask(GET)).status == 200
    assert (gw.records[-2].status, gw.records[-2].code) == (413, "body_too_large")


async def test_body_that_says_it_is_too_large_is_refused_before_the_service_is_asked(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    await caller.send(by_length("/a", LIMIT + 1)[0])
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 413
    assert origin.connections == 0


async def test_refused_body_is_not_asked_for(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    await caller.send(by_length("/a", LIMIT + 1)[0][:-2] + b"Expect: 100-continue\r\n\r\n")
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.interim) == (413, [])


async def test_refused_body_is_not_read_without_bound(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    await caller.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n")
    pour = Pour(caller.wire, 64 * MIB, chunked=False)
    pouring = asyncio.ensure_future(pour.run())
    assert await caller.closed(within_s=5)
    await pouring
    assert pour.left < 32 * MIB
    with contextlib.suppress(OSError):
        caller.close()


async def test_service_whose_upload_is_cut_for_its_size_never_sees_it_whole(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    pieces = in_chunks("/a", LIMIT * 2)
    for piece in pieces[:3]:
        await caller.send(piece)
    await until(lambda: origin.heads)
    for piece in pieces[3:]:
        await caller.send(piece)
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 413
    await until(lambda: origin.open_connections == 0)
    assert (origin.seen, len(origin.cut)) == ([], 1)


async def test_ten_thousand_chunks_of_one_byte_pass(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    head = b"POST /large HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    await caller.send(head + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 200
    assert origin.last.body == b"x" * 10_000
    assert (await caller.ask(GET)).status == 200


async def test_answer_of_ten_thousand_chunks_passes(gateway, origin: Origin):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    origin.answer(head + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    for _ in range(2):
        answer = await caller.ask(GET)
        assert (answer.body, answer.clean) == (b"x" * 10_000, True)
    assert origin.connections == 1


# -- connections


MOST = PLAIN.replace("[services.origin]", "[gateway]\nmax_connections = 3\n\n[services.origin]", 1)


async def test_one_connection_too_many_is_told_so_and_closed(gateway, origin: Origin):
    gw = await gateway(MOST, origin=origin)
    served = [await gw.connect() for _ in range(3)]
    assert [(await caller.ask(GET)).status for caller in served] == [200] * 3
    beyond = await gw.connect()
    answer = await beyond.read_answer()
    assert answer is not None
    assert answer.status == 503
    assert answer.json()["code"] == "too_many_connections"
    assert answer.header("Retry-After") is not None
    assert answer.will_close()
    assert await beyond.closed()
    assert [(await caller.ask(GET)).status for caller in served] == [200] * 3


async def test_one_that_leaves_makes_room(gateway, origin: Origin):
    gw = await gateway(MOST, origin=origin)
    served = [await gw.connect() for _ in range(3)]
    await served[0].ask(GET)
    served[0].close()
    await until(lambda: len(gw.worker.server.connections) == 2)
    assert (await gw.ask(GET)).status == 200


async def test_flood_beyond_the_bound_takes_no_room(gateway, origin: Origin):
    gw = await gateway(MOST, origin=origin)
    served = [await gw.connect() for _ in range(3)]
    assert (await served[0].ask(GET)).status == 200
    for _ in range(5):
        crowd = [await gw.connect() for _ in range(20)]
        for caller in crowd:
            await caller.send(GET)
            caller.reset()
    assert (await served[0].ask(GET)).status == 200
    await until(lambda: len(gw.worker.server.connections) == 3)
