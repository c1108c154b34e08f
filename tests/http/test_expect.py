"""`Expect: 100-continue` (RFC 9110 section 10.1.1): the service decides, the gateway passes on."""

from __future__ import annotations

import asyncio

from tests.support.origin import CONTINUE, Origin
from tests.support.problems import assert_problem
from tests.support.running import PLAIN
from tests.support.scripted import hold, send, take, take_head, tell

HEAD = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"


async def test_service_is_asked_and_its_100_is_passed_on(gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.send(HEAD)
    status, _ = await caller.read_interim()
    assert status == 100
    assert [head.header("Expect") for head in origin.heads] == ["100-continue"]
    await caller.send(b"hello")
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.interim) == (200, [])
    assert origin.last.body == b"hello"


async def test_refusal_of_the_service_is_final_and_closes(gateway, origin: Origin):
    origin.answer(REFUSAL, at="head")
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.send(HEAD)
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.body, answer.interim) == (403, b"no", [])
    assert await caller.closed()
    assert origin.seen == []


async def test_body_sent_after_a_refusal_is_no_request(gateway, origin: Origin):
    origin.answer_once(REFUSAL, at="head")
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.send(HEAD.replace(b"Length: 5", b"Length: 38"))
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 403
    await caller.send(b"GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n")
    assert await caller.closed()
    assert origin.seen == []


async def test_gateway_asks_for_the_body_after_a_second_of_silence(gateway, scripted):
    asked = asyncio.Event()
    silent = await scripted([take_head(), tell(asked), take(5), send(ANSWER), hold()])
    gw = await gateway(PLAIN, origin=silent)
    caller = await gw.connect()
    await caller.send(HEAD)
    async with asyncio.timeout(5):
        await asked.wait()
    assert caller.unread() == b"", "the service had not answered yet"
    status, _ = await caller.read_interim()
    assert status == 100
    await caller.send(b"hello")
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.interim) == (200, [])
    assert silent.fed == b"hello"


async def test_100_of_the_service_is_passed_on_once(gateway, scripted):
    twice = await scripted([take_head(), send(CONTINUE), take(5), send(CONTINUE + ANSWER), hold()])
    gw = await gateway(PLAIN, origin=twice)
    caller = await gw.connect()
    await caller.send(HEAD)
    assert (await caller.read_interim())[0] == 100
    await caller.send(b"hello")
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.body, answer.interim) == (200, b"ok", [])


async def test_unknown_expectation_is_refused_before_the_service_is_asked(gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    caller = await gw.connect()
    await caller.send(HEAD.replace(b"100-continue", b"a-miracle"))
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 417
    assert_problem(answer)
    assert origin.heads == []
