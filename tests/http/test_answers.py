"""What services may answer: each raw answer of answers/*.toml, however it is cut.

A case says what the caller sees of it. After each, the next request must get its own
answer, over the same connection to the service or another one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.client import Answer, Client
from tests.support.corpus import AnswerCase, expand, load_cases
from tests.support.origin import Origin, Request
from tests.support.pieces import WAYS, Cut
from tests.support.problems import assert_problem
from tests.support.running import PLAIN, Gateway

CASES = load_cases(Path(__file__).parent / "answers", AnswerCase)
LATER_S = 0.02
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = {"POST": b"Content-Length: 2\r\n\r\nhi"}


def test_corpus_is_as_large_as_it_should_be():
    assert len(CASES) >= 45


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_answer(case: AnswerCase, gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    for way, cut in WAYS.items():
        try:
            await play(case, cut, gw, origin)
        except Exception as error:
            error.add_note(f"answered {way}: {case.message()[:300]!r}")
            raise


async def play(case: AnswerCase, cut: Cut, gw: Gateway, origin: Origin) -> None:
    if case.warm:
        await gw.ask(NEXT)
    else:
        await forget_connections(gw, origin)
    before = len(origin.seen)
    for _ in range(case.expect.times):
        origin.answer_once(raw_answer(case, origin), then=case.then, cut=cut)
    caller = await gw.connect()
    await caller.send(request_of(case))
    answer = await caller.read_answer(head=case.request == "HEAD")
    assert answer is not None, "the caller got no answer"
    assert_crossed(case, answer)
    asked = origin.seen[before:]
    assert len(asked) == case.expect.times, "asked too often or too seldom"
    if not answer.clean:
        assert await caller.closed()
    if case.later:
        await asyncio.sleep(2 * LATER_S)
    await assert_next_is_its_own(case, caller, answer, gw, origin, asked[-1])
    caller.close()


async def forget_connections(gw: Gateway, origin: Origin) -> None:
    """The service closes what the gateway keeps, so that the case gets a fresh one."""
    for wire in origin.wires:
        wire.close()
    await asyncio.sleep(0.005)


def request_of(case: AnswerCase) -> bytes:
    head = f"{case.request} /case HTTP/{case.version}\r\nHost: a\r\n".encode()
    return head + BODY.get(case.request, b"\r\n")


def raw_answer(case: AnswerCase, origin: Origin):
    def answer(request: Request) -> bytes:
        if case.later:
            send_later(origin, request, expand(case.later))
        return case.message()

    return answer


def send_later(origin: Origin, request: Request, raw: bytes) -> None:
    transport = origin.wires[request.connection - 1].transport
    asyncio.get_running_loop().call_later(LATER_S, transport.write, raw)


def assert_crossed(case: AnswerCase, answer: Answer) -> None:
    expect = case.expect
    if expect.cut and answer.status == 502:
        assert_problem(answer, "bad_gateway")
        return
    assert answer.status in expect.statuses(), (answer.status, answer.body[:300])
    assert answer.clean is not expect.cut, "ended cleanly" if expect.cut else "cut"
    if expect.code is not None:
        assert_problem(answer, expect.code)
    for name, wanted in expect.headers.items():
        assert wanted in ("*", answer.header(name)), (name, answer.headers.lines)
        assert name in answer.headers, (name, answer.headers.lines)
    for name in expect.absent:
        assert name not in answer.headers, answer.headers.lines
        assert name not in answer.trailers, answer.trailers.lines
    lines = iter(answer.headers.lines)
    for line in expect.lines:
        assert expand(line) in lines, (line, answer.headers.lines)
    if expect.reason is not None:
        assert answer.reason == expand(expect.reason)
    if expect.body is not None:
        assert answer.body == expand(expect.body)
    if expect.interim is not None:
        assert [status for status, _ in answer.interim] == expect.interim


async def assert_next_is_its_own(
    case: AnswerCase, caller: Client, answer: Answer, gw: Gateway, origin: Origin, asked: Request
) -> None:
    """On the caller's own connection where it lives on, else on another."""
    lives = answer.clean and case.version == "1.1" and not answer.will_close()
    followed = await (caller if lives else await gw.connect()).ask(NEXT)
    assert followed.status == 200, followed.body
    assert followed.json()["target"] == "/next"
    assert followed.interim == []
    if case.expect.reused is not None:
        assert (origin.last.connection == asked.connection) is case.expect.reused
