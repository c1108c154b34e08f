"""Many requests at once on one connection: answered in order, whoever answers them."""

from __future__ import annotations

import pytest

from tests.support.client import Client
from tests.support.origin import Origin

ROUTES = """
[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/*"
service = "origin"

[[routes]]
path = "/fixed/*"
respond = { status = 200, body = "fixed" }
"""
MANY = 2000


def request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


async def bodies(caller: Client, count: int) -> list[bytes]:
    answers = [await caller.read_answer() for _ in range(count)]
    return [answer.body for answer in answers if answer is not None and answer.status == 200]


async def test_thousands_of_pipelined_requests_get_a_fixed_answer_each(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    await caller.send(request("/fixed/x") * MANY)
    assert await bodies(caller, MANY) == [b"fixed"] * MANY
    assert origin.connections == 0


async def test_thousands_of_pipelined_requests_reach_the_service_in_order(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    targets = [f"/{number}" for number in range(MANY)]
    await caller.send(b"".join(map(request, targets)))
    assert len(await bodies(caller, MANY)) == MANY
    assert [seen.target.decode() for seen in origin.seen] == targets
    assert origin.connections == 1


@pytest.mark.parametrize("turn", [1, 2, 7])
async def test_answers_of_gateway_and_service_keep_their_order(turn: int, gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    targets = ["/fixed/x" if number % (turn + 1) else f"/{number}" for number in range(50)]
    await caller.send(b"".join(map(request, targets)))
    found = await bodies(caller, len(targets))
    assert [body == b"fixed" for body in found] == [target == "/fixed/x" for target in targets]


async def test_caller_who_leaves_ends_what_it_pipelined(gateway, origin: Origin):
    gw = await gateway(ROUTES, origin=origin)
    caller = await gw.connect()
    await caller.send(request("/1") + request("/2") * 100)
    assert await caller.read_answer() is not None
    caller.reset()
    assert (await gw.ask(request("/after"))).status == 200
    assert len(origin.seen) <= 102


LIMITED = """
[[routes]]
path = "/limited"
respond = { status = 200 }
limit = { requests = 1, window = "600s" }
[[routes]]
path = "/next"
respond = { status = 200, body = "next" }
"""


@pytest.mark.parametrize("target", ["/nowhere", "/limited", "/a%2Fb"])
async def test_nothing_follows_the_head_that_refuses_a_head(target: str, gateway):
    gw = await gateway(LIMITED)
    assert (await gw.ask(request("/limited"))).status == 200
    refused = await gw.ask(request(target))
    caller = await gw.connect()
    await caller.send(request(target).replace(b"GET", b"HEAD") + request("/next"))
    head = await caller.read_answer(head=True)
    assert head is not None
    # Told is what GET would have had (RFC 9110 section 9.3.2), sent is nothing of it.
    assert (head.status, head.header("content-length")) == (refused.status, str(len(refused.body)))
    assert refused.status >= 400
    assert await bodies(caller, 1) == [b"next"]
