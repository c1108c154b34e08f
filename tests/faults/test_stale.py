"""The stale keep-alive race: a service closes a kept connection just as a request is sent on it.

What may be sent twice is, unseen by the caller; what may not is seen by the service at most once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tests.support.client import Client
from tests.support.idle_closer import IdleCloser
from tests.support.origin import Origin
from tests.support.problems import assert_problem
from tests.support.running import PLAIN, Gateway
from tests.support.scripted import Scripted, close, hold, reset, send, take, take_request
from tests.support.until import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WARM = [take_request(), send(OK)]
SOUND = [*[take_request(), send(OK)] * 3, hold()]

# What a service may do to a request on a kept connection, with no byte of an answer.
DEATHS = {
    "closes without reading": [take(1), close()],
    "closes after reading": [take_request(), close()],
    "resets without reading": [take(1), reset()],
    "resets after reading": [take_request(), reset()],
}
deaths = pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS.keys())


def request(method: str, content: bytes = b"") -> bytes:
    length = f"Content-Length: {len(content)}\r\n" if method in ("POST", "PUT", "PATCH") else ""
    return f"{method} /a HTTP/1.1\r\nHost: a\r\n{length}\r\n".encode() + content


async def warmed(gateway, scripted, death) -> tuple[Gateway, Scripted, Client]:
    """A gateway that holds one connection to the service, which will die on its next request."""
    server = await scripted([*WARM, *death], SOUND)
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    assert (await caller.ask(request("GET"))).body == b"ok"
    server.taken.clear()
    return gw, server, caller


@deaths
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"])
async def test_idempotent_request_is_sent_again_on_a_new_connection(method, death, gateway, scripted):
    gw, server, caller = await warmed(gateway, scripted, death)
    answer = await caller.ask(request(method, b"hi"[: 2 if method == "PUT" else 0]))
    assert answer.status == 200
    assert server.connections == 2
    record = gw.records[-1]
    assert (record.tries, record.reused, record.status, record.code) == (2, False, 200, None)
    if method == "PUT":
        assert server.taken[-1].body == b"hi"


@deaths
@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
async def test_other_requests_are_not_sent_again(method, death, gateway, scripted):
    gw, server, caller = await warmed(gateway, scripted, death)
    answer = await caller.ask(request(method, b"hi"[: 2 if method != "LOCK" else 0]))
    assert answer.status == 502
    assert_problem(answer, "bad_gateway")
    assert server.connections == 1
    assert gw.records[-1].tries == 1
    assert (await caller.ask(request("GET"))).status == 200


@pytest.mark.parametrize(
    "begun", [b"H", OK[:-1], b"HTTP/1.1 100 \r\n\r\n"], ids=["a byte", "all but one", "a 100"]
)
async def test_request_whose_answer_had_begun_is_not_sent_again(begun: bytes, gateway, scripted):
    gw, server, caller = await warmed(gateway, scripted, [take_request(), send(begun), close()])
    await caller.send(request("GET"))
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 502 or not answer.clean
    assert server.connections == 1
    assert gw.records[-1].tries == 1


async def test_request_on_a_new_connection_is_not_sent_again(gateway, scripted):
    server = await scripted([take_request(), close()])
    gw = await gateway(PLAIN, origin=server)
    assert (await gw.ask(request("GET"))).status == 502
    assert server.connections == 1


async def test_request_is_sent_again_once_only(gateway, scripted):
    server = await scripted([*WARM, take(1), close()], [take_request(), close()])
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    await caller.ask(request("GET"))
    assert (await caller.ask(request("GET"))).status == 502
    assert server.connections == 2


async def test_request_is_sent_again_past_all_connections_that_have_died(gateway, scripted):
    """Ten kept connections, all dead at once: the second attempt takes a new one, not the next dead one."""
    gate = asyncio.Event()

    async def wait(server, wire, number) -> None:
        await gate.wait()

    old = [[take_request(), wait, send(OK), take(1), reset()] for _ in range(10)]
    server = await scripted(*old, SOUND)
    gw = await gateway(PLAIN, origin=server)
    callers = [await gw.connect() for _ in range(10)]
    for caller in callers:
        await caller.send(request("GET"))
    await until(lambda: len(server.taken) == 10)
    gate.set()
    assert [(await caller.read_answer()).status for caller in callers] == [200] * 10
    assert (await callers[0].ask(request("GET"))).status == 200
    assert gw.records[-1].tries == 2


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_connection_seen_closed_carries_no_request(end: str, method: str, gateway, origin: Origin):
    origin.answer_once(OK, then="close" if end == "fin" else "reset")
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.ask(request("GET"))
    await until(lambda: origin.open_connections == 0)
    await asyncio.sleep(0.01)
    assert (await caller.ask(request(method, b"x"))).status == 200
    assert gw.records[-1].tries == 1


async def test_upload_under_way_rides_on_a_checked_connection(gateway, origin: Origin):
    """The close has come, but the gateway's loop has not been told of it yet when the upload begins."""
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.ask(request("GET"))
    [pool] = gw.worker.live.all_pools
    [connection] = pool.connections
    connection.transport.pause_reading()
    origin.wires[0].close()
    await asyncio.sleep(0.02)
    await caller.send(request("POST", b"hello")[:-2])
    await asyncio.sleep(0.02)
    await caller.send(b"lo")
    assert (await caller.read_answer()).status == 200
    assert (origin.connections, origin.last.body) == (2, b"hello")


async def test_post_takes_a_new_connection_where_the_kept_one_has_been_idle_for_long(gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.ask(request("GET"))
    [pool] = gw.worker.live.all_pools
    for connection in pool.connections:
        connection.idle_since -= 10
    await caller.ask(request("POST"))
    assert [seen.connection for seen in origin.seen] == [1, 2]
    await caller.ask(request("GET"))
    assert origin.connections == 2


# -- the race itself


class Storm:
    """Callers who ask again just when the service is about to close what they asked on."""

    def __init__(self, gw: Gateway, origin: IdleCloser, seed: int) -> None:
        self.gw = gw
        self.origin = origin
        self.outcomes: Counter[tuple[str, int]] = Counter()
        self.wrong: list[bytes] = []
        self._random = random.Random(seed)
        self._next = 0

    async def caller(self, count: int) -> None:
        client = await self.gw.connect()
        for _ in range(count):
            self._next += 1
            mark = b"%d" % self._next
            method = self._random.choice(("GET", "GET", "GET", "DELETE", "POST"))
            content = b"Content-Length: 2\r\n" if method == "POST" else b""
            await client.send(
                b"%b /a HTTP/1.1\r\nHost: a\r\nX-Id: %b\r\n%b\r\n" % (method.encode(), mark, content)
                + (b"hi" if content else b"")
            )
            answer = await client.read_answer()
            assert answer is not None
            self.outcomes[method, answer.status] += 1
            if answer.status == 200 and answer.body != mark:
                self.wrong.append(mark)
            if self.origin.times[mark] > 1 and method == "POST":
                self.wrong.append(mark)
            await asyncio.sleep(max(self.origin.idle_s + self._random.uniform(-0.0015, 0.001), 0))
        client.close()

    async def run(self, callers: int, each: int) -> None:
        await asyncio.gather(*(self.caller(each) for _ in range(callers)))

    @property
    def resends(self) -> int:
        counters = self.gw.worker.counters
        return counters.tries - counters.exchanges

    def assert_fine(self) -> None:
        assert self.wrong == []
        failed = {key: count for key, count in self.outcomes.items() if key[1] != 200}
        assert {method for method, _ in failed} <= {"POST"}, failed


class Reader(IdleCloser):
    """Swallows what comes on a kept connection now and then, as one does that had decided to close it."""

    async def serve(self, wire, number: int) -> None:
        for _ in range(self._random.randint(1, 5)):
            head = await wire.read_until(b"\r\n\r\n", None)
            said = head.index(b"X-Id: ") + 6
            mark = head[said : head.index(b"\r\n", said)]
            self.times[mark] += 1
            wire.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(mark), mark))
        await wire.read_exactly(1, None)
        if self._random.random() < 0.5:
            wire.reset()


@pytest.mark.parametrize("kind", [IdleCloser, Reader])
async def test_small_storm_of_requests_at_the_services_idle_limit(kind, gateway, level):
    origin = kind(0.004, by_reset=0.3)
    await origin.start()
    try:
        gw = await gateway(PLAIN, origin=origin)
        storm = Storm(gw, origin, seed=1)
        await storm.run(callers=8, each=60)
        storm.assert_fine()
        if kind is Reader:
            assert storm.resends > 20
    finally:
        await origin.stop()


@pytest.mark.full
async def test_hundred_thousand_requests_at_the_services_idle_limit(gateway, level):
    """The pool's own limit stands above the service's, so that the race is met as often as can be."""
    origin = IdleCloser(0.004, by_reset=0.1)
    await origin.start()
    try:
        gw = await gateway(PLAIN, origin=origin)
        gw.worker._recorder._take = None
        storm = Storm(gw, origin, seed=2)
        await storm.run(callers=50, each=2000)
        storm.assert_fine()
        assert sum(storm.outcomes.values()) == 100_000
        assert storm.resends >= 1000
    finally:
        await origin.stop()
