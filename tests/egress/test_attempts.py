"""Attempts stand alone: several of one exchange, on several targets, without any ingress."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gwproxy.deadlines import Wheel
from gwproxy.drive import Drive, drive
from gwproxy.egress.connect import Connector
from gwproxy.egress.forward import attempt
from gwproxy.egress.pool import Pool
from gwproxy.egress.request import Answer
from gwproxy.egress.resolver import Resolver
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.runtime.live import Live
from tests.support.attempts import Tries, made_exchange, made_request, made_times, pools_to, whole
from tests.support.origin import Origin
from tests.support.scripted import close, hold, reset, send, take_request, tell
from tests.support.until import until

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest_asyncio.fixture
async def live(level) -> AsyncIterator[Live]:
    live = Live(Wheel())
    yield live
    await live.close()
    await asyncio.sleep(0)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


FAULTS = {
    "reset": ([take_request(), reset()], "bad_gateway", Phase.ANSWER),
    "closed": ([take_request(), close()], "bad_gateway", Phase.ANSWER),
    "closed before it was asked": ([close()], "bad_gateway", Phase.ANSWER),
    "cut in its head": ([take_request(), send(ANSWER[:20]), close()], "bad_gateway", Phase.ANSWER),
    "no HTTP": ([take_request(), send(b"SSH-2.0-x\r\n"), hold()], "bad_gateway", Phase.ANSWER),
    "silent": ([take_request(), hold()], "upstream_timeout", Phase.ANSWER),
}


@pytest.mark.parametrize(("script", "code", "phase"), FAULTS.values(), ids=FAULTS.keys())
async def test_second_target_answers_where_the_first_fails(
    script, code, phase, live, scripted, origin: Origin
):
    first = await scripted(script)
    pools = pools_to(live, first.url, origin.url)
    exchange, tries = made_exchange(), Tries()
    async with asyncio.timeout(5):
        times = made_times(timeout_s=0.3 if code == "upstream_timeout" else 4)
        answer = await drive(tries.on(exchange, pools, made_request(), times))
    assert answer.status == 200
    assert tries.seen == [(1, pools[0].name), (2, pools[1].name)]
    assert [(e.code, e.phase, e.blame) for e in tries.failures] == [(code, phase, Blame.TARGET)]
    assert (exchange.tries, exchange.target) == (2, pools[1].name)
    assert [seen.target for seen in origin.seen] == [b"/x"]
    assert (len(pools[0].connections), len(pools[1].connections)) == (0, 1)


async def test_second_target_answers_where_the_first_refuses(live, origin: Origin):
    pools = pools_to(live, f"http://127.0.0.1:{closed_port()}", origin.url)
    exchange, tries = made_exchange(), Tries()
    answer = await drive(tries.on(exchange, pools, made_request(), made_times()))
    assert answer.status == 200
    assert [(e.code, e.phase, e.unsent) for e in tries.failures] == [("bad_gateway", Phase.CONNECT, True)]
    assert (exchange.tries, exchange.target) == (2, pools[1].name)


async def test_body_at_hand_is_sent_whole_to_each_target(live, scripted, origin: Origin):
    first = await scripted([take_request(), reset()])
    pools = pools_to(live, first.url, origin.url)
    exchange, tries = made_exchange(b"POST"), Tries()
    await drive(tries.on(exchange, pools, made_request(b"POST", content=b"hello"), made_times()))
    assert [taken.body for taken in first.taken] == [b"hello"]
    assert origin.last.body == b"hello"


async def test_all_targets_failing_is_the_last_ones_failure(live, scripted):
    first = await scripted([take_request(), reset()])
    pools = pools_to(live, first.url, f"http://127.0.0.1:{closed_port()}")
    tries = Tries()
    with pytest.raises(GatewayError) as failure:
        await drive(tries.on(made_exchange(), pools, made_request(), made_times()))
    assert failure.value.phase is Phase.CONNECT
    assert len(tries.seen) == 2


@pytest.mark.parametrize(
    "raw", [ANSWER, CHUNKED, b"HTTP/1.1 103 \r\n\r\n" + ANSWER], ids=["length", "chunks", "103"]
)
async def test_two_targets_answer_one_exchange_each(raw: bytes, live, scripted):
    """What an aggregation or a hedge does: both answers of one exchange at once."""
    pair = [await scripted([take_request(), send(raw), hold()]) for _ in range(2)]
    pools = pools_to(live, *(server.url for server in pair))
    exchange = made_exchange()
    both = [drive(attempt(exchange, pool, made_request(), made_times())) for pool in pools]
    answers = [await one for one in both]
    assert [await drive(whole(answer)) for answer in answers] == [b"ok", b"ok"]
    assert exchange.tries == 2


async def test_answer_streams_without_a_caller(live, scripted):
    server = await scripted([take_request(), send(CHUNKED, lambda raw: (raw[:60], raw[60:])), hold()])
    [pool] = pools_to(live, server.url)
    answer = await drive(attempt(made_exchange(), pool, made_request(), made_times()))
    assert await drive(whole(answer)) == b"ok"
    await until(lambda: pool.idle == 1)


async def test_answer_that_is_given_up_gives_up_its_connection(live, scripted):
    server = await scripted([take_request(), send(ANSWER[:-1]), hold()])
    [pool] = pools_to(live, server.url)
    answer = await drive(attempt(made_exchange(), pool, made_request(), made_times()))
    answer.abort()
    assert (len(pool.connections), pool.idle) == (0, 0)
    await until(lambda: server.open_connections == 0)


async def test_cancelled_attempt_closes_its_connection(live, scripted):
    asked = asyncio.Event()
    server = await scripted([take_request(), tell(asked), hold()])
    [pool] = pools_to(live, server.url)
    future = drive(attempt(made_exchange(), pool, made_request(), made_times()))
    await asked.wait()
    future.cancel()
    await until(lambda: server.open_connections == 0)
    assert len(pool.connections) == 0


async def outcomes(asked: list[asyncio.Future[Answer]]) -> list[int | str]:
    """The status of each answer, or the failure."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    return [repr(f) if isinstance(f, BaseException) else f.status for f in found]


class LeftAsItStands(Connector):
    """The connection stands, and in the same turn of the loop the caller leaves."""

    leave: Drive

    async def _within(self, pool: Pool, timeout_s: float):
        connection = await super()._within(pool, timeout_s)
        asyncio.get_running_loop().call_soon(self.leave.cancel)
        return connection


async def test_caller_who_leaves_in_the_turn_the_connection_stands_leaks_nothing(live, origin: Origin):
    connector = LeftAsItStands("127.0.0.1", origin.port, Resolver(live.wheel.clock))
    pool = Pool("t", "s", b"", b"a", live.wheel, connector)
    ended: list[BaseException | None] = []

    async def ask(exchange: Exchange) -> None:
        await attempt(exchange, pool, made_request(), made_times())

    connector.leave = Drive(ask(made_exchange()), lambda _, error: ended.append(error))
    connector.leave.start()
    await until(lambda: ended)
    assert isinstance(ended[0], asyncio.CancelledError)
    await until(lambda: origin.connections == 1)
    await until(lambda: origin.open_connections == 0, 2, "the connection nobody wanted is closed")
    assert (len(pool.connections), pool.opening) == (0, 0)


# -- the pool at its bound


async def test_request_waits_for_a_connection_where_the_pool_is_at_its_bound(live, origin: Origin):
    [pool] = pools_to(live, origin.url, max_connections=1)
    exchanges = [made_exchange() for _ in range(20)]
    asked = [drive(attempt(e, pool, made_request(), made_times())) for e in exchanges]
    assert await outcomes(asked) == [200] * 20
    assert origin.connections == 1
    assert all(e.waited_s > 0 for e in exchanges[1:])


async def test_request_that_waits_too_long_is_overload(live, scripted):
    server = await scripted([take_request(), hold()])
    [pool] = pools_to(live, server.url, max_connections=1)
    first = drive(attempt(made_exchange(), pool, made_request(), made_times()))
    with pytest.raises(GatewayError) as failure:
        await drive(attempt(made_exchange(), pool, made_request(), made_times(connect_s=0.1)))
    assert (failure.value.code, failure.value.blame, failure.value.unsent) == (
        "overloaded",
        Blame.GATEWAY,
        True,
    )
    first.cancel()
    await until(lambda: not pool.connections)


async def test_those_who_leave_the_queue_take_no_place(live, scripted):
    release = asyncio.Event()

    async def answer_later(server, wire, number) -> None:
        await release.wait()

    server = await scripted([take_request(), answer_later, *[send(ANSWER), take_request()] * 9])
    [pool] = pools_to(live, server.url, max_connections=1)
    asked = [drive(attempt(made_exchange(), pool, made_request(), made_times())) for _ in range(6)]
    await until(lambda: len(server.taken) == 1)
    for one in asked[1:4]:
        one.cancel()
    release.set()
    assert await outcomes([asked[0], *asked[4:]]) == [200] * 3
    assert (server.connections, pool.idle, pool.opening) == (1, 1, 0)


@pytest.mark.parametrize("end", [close(), reset()], ids=["fin", "rst"])
async def test_stale_connection_passed_to_who_waits_is_no_failure(end, live, scripted):
    """The service closes after each answer without saying so, just as the next in the queue is given the connection."""
    server = await scripted([take_request(), send(ANSWER), end])
    [pool] = pools_to(live, server.url, max_connections=1)
    exchanges = [made_exchange() for _ in range(30)]
    asked = [drive(attempt(e, pool, made_request(), made_times())) for e in exchanges]
    assert await outcomes(asked) == [200] * 30


async def test_unrepeatable_request_is_not_starved_by_old_idle_connections(live, origin: Origin):
    """They may not carry it, but neither may they keep a new one from being opened."""
    [pool] = pools_to(live, origin.url, max_connections=1)
    await drive(attempt(made_exchange(), pool, made_request(), made_times()))
    next(iter(pool.connections)).idle_since -= 10
    answer = await drive(
        attempt(made_exchange(b"POST"), pool, made_request(b"POST"), made_times(connect_s=0.3))
    )
    assert answer.status == 200
