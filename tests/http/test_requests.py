"""What callers may send: each raw request of requests/*.toml, however it is cut.

A case says what the caller is answered, whether its connection ends, and what the
service received. Where the connection lives on, the next request on it must reach the
service exactly as it would on a connection of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.client import Answer, Client
from tests.support.corpus import Received, RequestCase, expand, load_cases
from tests.support.origin import Origin, Request
from tests.support.pieces import WAYS
from tests.support.problems import assert_problem
from tests.support.running import Gateway

CASES = load_cases(Path(__file__).parent / "requests", RequestCase)

EDGE = """
[gateway]
max_request_body = "64KiB"
header_timeout = "2s"
body_timeout = "2s"

[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/*"
method = "*"
service = "origin"

[[routes]]
host = "only.example"
path = "/only-get"
method = "GET"
service = "origin"
"""

NEXT = b"GET /next?x=1 HTTP/1.1\r\nHost: next\r\nX-Next: 1\r\n\r\n"
MADE_ANEW = {"x-request-id", "x-correlation-id", "traceparent", "forwarded"}


def test_corpus_is_as_large_as_it_should_be():
    assert len(CASES) >= 70


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_request(case: RequestCase, gateway, origin: Origin):
    gw = await gateway(EDGE, origin=origin)
    await gw.ask(NEXT)
    clean = comparable(origin.last)
    for way in WAYS:
        try:
            await play(case, way, gw, origin, clean)
        except Exception as error:
            error.add_note(f"sent {way}: {case.message()[:300]!r}")
            raise
    assert (await gw.ask(NEXT)).status == 200, "other connections are harmed"


async def play(case: RequestCase, way: str, gw: Gateway, origin: Origin, clean: list[str]) -> None:
    before = len(origin.seen)
    caller = await gw.connect()
    await caller.send(case.message(), WAYS[way])
    if case.then == "finish":
        caller.finish()
    await assert_answered(case, caller)
    assert_received(case, origin.seen[before:])
    await assert_followed(case, caller, origin, clean)
    caller.close()


async def assert_answered(case: RequestCase, caller: Client) -> None:
    expect = case.expect
    answer: Answer | None = None
    for statuses in expect.statuses():
        answer = await caller.read_answer(head=case.message().startswith(b"HEAD "))
        assert answer is not None, "closed without an answer"
        assert answer.status in statuses, (answer.status, answer.body)
        assert answer.clean
        if answer.status >= 400:
            assert_problem(answer)
    if answer is None:
        assert await caller.read_answer() is None
    elif expect.code is not None:
        assert_problem(answer, expect.code)
    for name, wanted in expect.answer.items():
        assert_header(answer.header(name), wanted, name)


def assert_received(case: RequestCase, seen: list[Request]) -> None:
    wanted = case.expect.wanted()
    if wanted is None:
        return
    count = wanted if isinstance(wanted, int) else len(wanted)
    assert len(seen) == count, [request.raw_head[:100] for request in seen]
    if not isinstance(wanted, int):
        for one, request in zip(wanted, seen, strict=True):
            assert_request(one, request)


def assert_request(wanted: Received, request: Request) -> None:
    if wanted.method:
        assert request.method.decode("latin-1") == wanted.method
    if wanted.target:
        assert request.target == expand(wanted.target)
    assert request.body == expand(wanted.body)
    assert request.trailers.lines == [], "a trailer crossed"
    for name, value in wanted.headers.items():
        assert_header(request.header(name), value, name)
    names = {fold(name) for name in request.headers.names()}
    assert not names & {fold(name) for name in wanted.absent}, request.headers.lines
    lines = iter(request.headers.lines)
    for line in wanted.lines:
        assert expand(line) in lines, (line[:80], request.headers.names())


def assert_header(found: str | None, wanted: str, name: str) -> None:
    assert found is not None, f"{name} is missing"
    assert wanted in ("*", found), (name, found)


async def assert_followed(case: RequestCase, caller: Client, origin: Origin, clean: list[str]) -> None:
    """The connection ends as told, or the next request on it is its own."""
    if case.expect.closed is True:
        assert await caller.closed(), "the connection was left open"
        assert caller.unread() == b""
        return
    if case.expect.closed == "either" and await caller.closed(within_s=0.05):
        return
    before = len(origin.seen)
    answer = await caller.ask(NEXT)
    assert answer.status == 200, answer.body
    assert len(origin.seen) == before + 1
    assert origin.last.target == b"/next?x=1"
    assert comparable(origin.last) == clean
    assert caller.unread() == b""


def comparable(request: Request) -> list[str]:
    """The request without what is new each time."""
    shown = [f"{request.method!r} {request.target!r} {request.body!r} {request.trailers.lines!r}"]
    for name, value in request.headers.pairs():
        shown.append(name if name.lower() in MADE_ANEW else f"{name}: {value}")
    return shown


def fold(name: str) -> str:
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())
