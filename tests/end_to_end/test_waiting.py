"""A route whose checks must wait, and a responder that does.

Limits in a store wait, and authentication will; the road is proven here with steps of the test's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Reply
from tests.support.origin import Origin
from tests.support.running import PLAIN, Gateway
from tests.support.until import until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


class Gate:
    """A check that waits until it is opened."""

    def __init__(self) -> None:
        self.waiter = Waiter()
        self.asked = 0
        self.ended: list[str] = []

    def __call__(self, exchange: Exchange) -> Awaitable[Reply | None]:
        self.asked += 1
        return self.wait()

    async def wait(self) -> Reply | None:
        try:
            return await self.waiter
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise


def fixed(status: int) -> Reply:
    return Reply(status, b"HTTP/1.1 %d \r\n" % status, b"", b"", 0)


def with_checks(gw: Gateway, *checks) -> None:
    gw.worker.server.bound.routes[0].checks = checks


async def test_way_goes_on_where_the_check_lets_it(gateway, origin: Origin):
    gw, gate, seen = await gateway(origin=origin), Gate(), []
    with_checks(gw, gate, seen.append)
    asking = asyncio.create_task(gw.ask(GET))
    await until(lambda: gate.asked)
    assert (seen, origin.seen) == ([], [])
    gate.waiter.set(None)
    assert (await asking).status == 200
    assert len(seen) == len(origin.seen) == 1
    assert [record.service for record in gw.records] == ["origin"]


async def test_reply_of_a_check_that_waited_ends_the_way(gateway, origin: Origin):
    gw, gate, later = await gateway(origin=origin), Gate(), Gate()
    with_checks(gw, gate, later)
    gate.waiter.set(fixed(418))
    assert (await gw.ask(GET)).status == 418
    assert (later.asked, origin.seen) == (0, [])


async def test_plain_check_behind_one_that_waited_may_reply(gateway, origin: Origin):
    gw, gate = await gateway(origin=origin), Gate()
    with_checks(gw, gate, lambda exchange: fixed(418))
    gate.waiter.set(None)
    assert (await gw.ask(GET)).status == 418
    assert origin.seen == []


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [(GatewayError("forbidden", "no"), 403, "forbidden"), (KeyError("x"), 500, "internal_error")],
    ids=["refusal", "mistake"],
)
async def test_failure_of_a_check_that_waited_is_a_reply(failure, status, code, gateway, origin: Origin):
    gw, gate = await gateway(origin=origin), Gate()
    with_checks(gw, gate)
    gate.waiter.fail(failure)
    assert (await gw.ask(GET)).status == status
    assert [(record.status, record.code) for record in gw.records] == [(status, code)]


async def test_caller_who_leaves_cancels_the_check(gateway, origin: Origin):
    gw, gate = await gateway(origin=origin), Gate()
    with_checks(gw, gate)
    caller = await gw.connect()
    await caller.send(GET)
    await until(lambda: gate.asked)
    caller.close()
    await until(lambda: gw.records)
    assert gate.ended == ["cancelled"]
    gate.waiter.set(None)
    assert [(record.status, record.code) for record in gw.records] == [(499, "client_closed")]
    assert origin.seen == []


async def test_pipelined_requests_keep_their_order_over_waits(gateway, origin: Origin):
    gw, gate = await gateway(PLAIN, origin=origin), Gate()
    with_checks(gw, gate)
    caller = await gw.connect()
    await caller.send(GET + GET.replace(b"/a", b"/b") + GET.replace(b"/a", b"/c"))
    await until(lambda: gate.asked)
    gate.waiter.set(None)
    assert [(await caller.read_answer()).status for _ in range(3)] == [200] * 3
    assert [seen.target for seen in origin.seen] == [b"/a", b"/b", b"/c"]


async def test_responder_may_be_a_coroutine(gateway, origin: Origin):
    gw, gate = await gateway(origin=origin), Gate()
    route = gw.worker.server.bound.routes[0]

    async def respond(exchange: Exchange) -> Reply:
        await gate.waiter
        return fixed(299)

    route.respond = respond
    asking = asyncio.create_task(gw.ask(GET))
    gate.waiter.set(None)
    assert (await asking).status == 299


async def test_finisher_that_fails_cuts_the_connection_and_is_recorded(gateway, origin: Origin):
    gw = await gateway(origin=origin)

    def finish(exchange: Exchange, reply: Reply) -> None:
        raise RuntimeError("oops")

    gw.worker.server.bound.routes[0].finishers = (finish,)
    caller = await gw.connect()
    await caller.send(GET)
    assert await caller.read_answer() is None
    await until(lambda: gw.records)
    assert not gw.worker.server.connections


async def test_responder_that_is_a_coroutine_ends_quietly_when_its_caller_leaves(gateway, caplog):
    gw, gate = await gateway(PLAIN.replace('"${ORIGIN}"', '"http://127.0.0.1:9"')), Gate()
    gw.worker.server.bound.routes[0].respond = gate
    caller = await gw.connect()
    await caller.send(GET)
    await until(lambda: gate.asked)
    caller.close()
    await until(lambda: gate.ended)
    assert gate.ended == ["cancelled"]
    assert [(record.status, record.code) for record in gw.records] == [(499, "client_closed")]
    assert caplog.records == []
