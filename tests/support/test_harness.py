"""The harness itself: a caller against the recording service, without a gateway."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.framing import Malformed
from tests.support.leaks import Level
from tests.support.origin import Origin, Request
from tests.support.pieces import WAYS, after_each_crlf, byte_by_byte
from tests.support.scripted import close, reset, send, take_request

GET = b"GET /a?b=%41 HTTP/1.1\r\nHost: a\r\nX-b: 1\r\nx-A:  2 \r\n\r\n"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("cut", WAYS.values(), ids=WAYS.keys())
async def test_service_records_each_request_to_the_byte(origin: Origin, connect, cut):
    caller = await connect(origin.port)
    await caller.send(GET + CHUNKED, cut)
    answers = [await caller.read_answer(), await caller.read_answer()]
    assert [answer.status for answer in answers] == [200, 200]
    first, second = origin.seen
    assert (first.method, first.target, first.body) == (b"GET", b"/a?b=%41", b"")
    assert first.headers.lines == [b"Host: a", b"X-b: 1", b"x-A:  2 "]
    assert first.headers.one("X-A") == "2"
    assert (second.body, second.trailers.lines) == (b"hello!", [b"X-Sum: 1"])
    assert (first.connection, second.connection) == (1, 1)


async def test_connections_are_numbered_in_their_order(origin: Origin, connect):
    for expected in (1, 2):
        caller = await connect(origin.port)
        assert (await caller.ask(GET)).json()["connection"] == expected
    assert origin.connections == 2


async def test_service_answers_as_it_is_told_and_then_as_before(origin: Origin, connect):
    origin.answer(ANSWER)
    origin.answer_once(lambda request: b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n")
    caller = await connect(origin.port)
    assert (await caller.ask(GET)).status == 404
    assert (await caller.ask(GET)).body == b"ok"


async def test_service_may_think_before_it_answers(origin: Origin, connect):
    asked = asyncio.Event()

    async def thinking(request: Request) -> bytes:
        asked.set()
        await asyncio.sleep(0)
        return ANSWER

    origin.answer(thinking)
    caller = await connect(origin.port)
    assert (await caller.ask(GET)).body == b"ok"
    assert asked.is_set()


async def test_service_asks_for_the_body_when_the_caller_expects_it(origin: Origin, connect):
    caller = await connect(origin.port)
    await caller.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await caller.read_interim())[0] == 100
    await caller.send(b"hi")
    assert (await caller.read_answer()).status == 200
    assert origin.last.body == b"hi"


async def test_service_may_refuse_before_the_body(origin: Origin, connect):
    origin.answer(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", at="head")
    caller = await connect(origin.port)
    await caller.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
    assert (await caller.read_answer()).status == 403
    assert origin.seen == []


@pytest.mark.parametrize(("then", "end"), [("close", "fin"), ("reset", "reset")])
async def test_ends_by_fin_and_by_reset_are_told_apart(origin: Origin, connect, then, end):
    origin.answer(ANSWER[:-1], then=then)
    caller = await connect(origin.port)
    answer = await caller.ask(GET)
    assert (answer.body, answer.clean) == (b"o", False)
    assert await caller.ended() == end


async def test_answer_that_ends_by_close_is_clean_by_fin_only(scripted, connect):
    head = b"HTTP/1.1 200 OK\r\n\r\nab"
    for step, clean in ((close(), True), (reset(), False)):
        server = await scripted([take_request(), send(head), step])
        caller = await connect(server.port)
        answer = await caller.ask(GET)
        assert (answer.body, answer.clean) == (b"ab", clean)


async def test_interim_answers_are_kept_apart_from_the_final_one(origin: Origin, connect):
    origin.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER)
    caller = await connect(origin.port)
    answer = await caller.ask(GET)
    assert [status for status, _ in answer.interim] == [103]
    assert answer.body == b"ok"


async def test_chunked_answer_gives_its_body_and_trailers(origin: Origin, connect):
    origin.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: 1\r\n\r\n")
    answer = await (await connect(origin.port)).ask(GET)
    assert (answer.body, answer.clean, answer.trailers.pairs()) == (b"ok", True, [("T", "1")])


BROKEN_ANSWERS = {
    "no version": b"200 OK\r\n\r\n",
    "wrong version": b"HTTP/1.0 200 OK\r\n\r\n",
    "control in the reason": b"HTTP/1.1 200 O\x01K\r\n\r\n",
    "blank before the colon": b"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "head cut": b"HTTP/1.1 200 OK\r\nA: ",
}


@pytest.mark.parametrize("raw", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
async def test_caller_refuses_answers_that_break_the_rules(origin: Origin, connect, raw):
    origin.answer(raw, then="close")
    caller = await connect(origin.port)
    await caller.send(GET)
    with pytest.raises(Malformed):
        await caller.read_answer()


async def test_no_answer_at_all_is_none(origin: Origin, connect):
    origin.answer(b"", then="close")
    caller = await connect(origin.port)
    await caller.send(GET)
    assert await caller.read_answer() is None


BROKEN_REQUESTS = {
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "old version": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "both framings": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "strange coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    "folded line": b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\n 2\r\n\r\n",
    "bare newline": b"GET / HTTP/1.1\r\nHost: a\nA: 1\r\n\r\n",
    "bad chunk end": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
}


@pytest.mark.parametrize("raw", BROKEN_REQUESTS.values(), ids=BROKEN_REQUESTS.keys())
async def test_service_calls_out_requests_that_break_the_rules(level, raw, connect):
    service = Origin()
    await service.start()
    try:
        caller = await connect(service.port)
        await caller.send(raw)
        assert await caller.closed()
        assert len(service.faults) == 1
        assert service.seen == []
    finally:
        await service.stop()


async def test_request_left_unfinished_is_cut_and_not_seen(origin: Origin, connect):
    caller = await connect(origin.port)
    await caller.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    caller.finish()
    assert await caller.closed()
    assert origin.seen == []
    assert len(origin.cut) == 1


async def test_each_connection_plays_its_own_script(scripted, connect):
    server = await scripted([take_request(), close()], [take_request(), send(ANSWER), close()])
    first, second = await connect(server.port), await connect(server.port)
    await first.send(GET)
    assert await first.read_answer() is None
    assert (await second.ask(GET)).body == b"ok"
    assert len(server.taken) == 2


async def test_open_connections_and_tasks_are_noticed(level: Level, origin: Origin, connect):
    caller = await connect(origin.port)
    await caller.ask(GET)
    left = await Level.regained(level, within_s=0.0)
    assert "descriptors: 3 more of socket" in left
    assert any(line.startswith("task") for line in left)


def test_pieces_put_together_are_the_message():
    raw = b"a\r\n\r\nb\nc" * 2000
    for cut in WAYS.values():
        assert b"".join(cut(raw)) == raw
    assert list(after_each_crlf(b"a\r\n\r\nb")) == [b"a\r\n", b"\r\n", b"b"]
    assert list(byte_by_byte(b"ab\r\n")) == [b"a", b"b", b"\r", b"\n"]
