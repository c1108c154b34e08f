"""What many requests cost: nothing stays open, nothing piles up, and the collector has nothing to find."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import Any

import pytest

from gwproxy.runtime.collector import THRESHOLDS
from tests.support.client import connect
from tests.support.leaks import Level, measured
from tests.support.origin import Origin
from tests.support.running import PLAIN
from tests.support.until import until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MIB = 1 << 20


def resident() -> int:
    """This process's memory, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


async def come_and_go(port: int, number: int) -> None:
    """One caller, who ends in one of many ways."""
    caller = await connect(port)
    way = number % 5
    if way == 1:
        await caller.send(GET[:-3])
    elif way == 2:
        await caller.send(GET)
        await asyncio.sleep(0)
    elif way == 3:
        await caller.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
        await asyncio.sleep(0.001)
    elif way == 4:
        assert (await caller.ask(GET)).status == 200
    caller.reset() if number % 2 else caller.close()


async def test_descriptors_and_tasks_are_back_after_hundreds_of_callers(gateway, origin: Origin):
    origin.answer(OK)
    gw = await gateway(PLAIN, origin=origin)
    await gw.ask(GET)
    await until(lambda: not gw.worker.server.connections)
    before = await measured()
    for start in range(0, 500, 50):
        await asyncio.gather(*(come_and_go(gw.port, number) for number in range(start, start + 50)))
    await until(lambda: not gw.worker.server.connections)
    for pool in gw.worker.live.all_pools:
        await until(lambda pool=pool: pool.idle == len(pool.connections))
        for connection in list(pool.connections):
            connection.close()
    await until(lambda: origin.open_connections == 0)
    origin.wires.clear()
    left = await Level.regained(before)
    # The kept connection of before is gone too, so that there may only be fewer.
    assert left == []
    assert gw.worker.counters.by_status[0] == 0
    assert gw.worker.counters.by_status[500] == 0


async def served(port: int, count: int, window: int = 50, raw: bytes = GET) -> int:
    """Sends `count` pipelined requests, never more than `window` unanswered; gives how many were answered 200."""
    caller = await connect(port)
    good = sent = 0
    for _ in range(count):
        while sent < min(count, good + window):
            batch = min(window, count - sent)
            await caller.send(raw * batch)
            sent += batch
        head = await caller.wire.read_until(b"\r\n\r\nok")
        good += head.startswith(b"HTTP/1.1 200 ")
    caller.close()
    return good


async def test_no_full_collection_in_ten_thousand_requests(gateway, origin: Origin):
    origin.answer(OK)
    gw = await gateway(PLAIN, origin=origin)
    await served(gw.port, 200)
    full: list[dict[str, Any]] = []

    def seen(phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            full.append(info)

    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(seen)
    try:
        assert await served(gw.port, 10_000 // 2) == 5000
        for _ in range(5):
            origin.seen.clear()
            origin.heads.clear()
            assert await served(gw.port, 1000) == 1000
    finally:
        gc.callbacks.remove(seen)
        gc.set_threshold(*before)
    assert full == []


async def test_way_of_a_request_makes_no_garbage_for_the_collector(gateway, origin: Origin):
    """Neither answers nor refusals nor callers who leave: a cycle a request would fill the youngest generation."""
    origin.answer(OK)
    gw = await gateway(PLAIN + '\n[[routes]]\npath = "/no"\nrespond = { status = 404 }\n', origin=origin)
    await served(gw.port, 500)
    caller = await gw.connect()
    bad = await gw.connect()
    await bad.ask(GET)
    gc.collect()
    gc.disable()
    try:
        for _ in range(300):
            await caller.ask(GET)
        found = gc.collect()
    finally:
        gc.enable()
    assert found < 300, "less than an object a request"


async def grown(port: int, count: int) -> int:
    """By how much `count` requests let this process grow; 9,000 at most on a connection, which serves 10,000."""
    await served(port, 2000)
    gc.collect()
    before = resident()
    for start in range(0, count, 9000):
        batch = min(9000, count - start)
        assert await served(port, batch) == batch
    gc.collect()
    return resident() - before


FIXED = '[[routes]]\npath = "/a"\nrespond = { body = "ok" }\n'


async def test_memory_does_not_grow_with_pipelined_requests(gateway, level):
    gw = await gateway(FIXED)
    gw.worker._recorder._take = None
    assert await grown(gw.port, 8_000) < 4 * MIB


@pytest.mark.full
async def test_memory_does_not_grow_with_a_hundred_thousand_pipelined_requests(gateway, level):
    gw = await gateway(FIXED)
    gw.worker._recorder._take = None
    assert await grown(gw.port, 100_000) < 8 * MIB


async def test_pipelined_answers_keep_their_order_over_connections_and_sizes(gateway, origin: Origin):
    chance = random.Random(1)
    sizes = [chance.choice((0, 1, 100, 20_000, 70_000)) for _ in range(300)]

    def sized(request: Any) -> bytes:
        body = request.target + b"x" * sizes[int(request.target[1:])]
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    origin.answer(sized)
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    for number in range(len(sizes)):
        caller.wire.transport.write(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    for number, size in enumerate(sizes):
        answer = await caller.read_answer()
        assert answer is not None
        assert answer.body == b"/%d" % number + b"x" * size


async def test_connection_serves_its_share_and_then_closes_politely(gateway, level):
    """10,000 requests a connection (edge.md 4), the last of them answered and told."""
    gw = await gateway(FIXED)
    gw.worker._recorder._take = None
    caller = await gw.connect()
    for _ in range(100):
        await caller.send(GET * 100)
        for _ in range(100):
            answer = await caller.read_answer()
            assert answer is not None
            last = answer
    assert last.will_close()
    assert await caller.closed()
