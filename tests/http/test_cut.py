"""A service that dies while it answers, at every byte of its answer."""

from __future__ import annotations

import pytest

from tests.support.client import Answer, Client
from tests.support.framing import Malformed
from tests.support.origin import Origin
from tests.support.problems import assert_problem
from tests.support.running import PLAIN, Gateway

BY_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n0123456789abcdefghij"
IN_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
)
ANSWERS = {"by length": BY_LENGTH, "in chunks": IN_CHUNKS}
REQUEST = b"%b /cut HTTP/1.%b\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


async def asked(gw: Gateway, method: bytes, minor: bytes) -> tuple[Client, Answer | None]:
    """The answer, or None where not even its head came whole."""
    caller = await gw.connect()
    await caller.send(REQUEST % (method, minor))
    try:
        return caller, await caller.read_answer()
    except Malformed:
        return caller, None


@pytest.mark.parametrize("method", [b"GET", b"POST"], ids=bytes.decode)
@pytest.mark.parametrize("minor", [b"1", b"0"], ids=["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("whole", ANSWERS.values(), ids=ANSWERS.keys())
async def test_answer_cut_at_any_byte_never_ends_cleanly(whole, then, minor, method, gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    head = whole.index(b"\r\n\r\n") + 4
    wrong = []
    for size in range(len(whole)):
        origin.answer(whole[:size], then=then)
        caller, answer = await asked(gw, method, minor)
        if size < head and (answer is None or answer.status != 502 or not answer.clean):
            wrong.append(f"{size} bytes, before the end of the head: {answer}")
        elif size < head:
            assert_problem(answer, "bad_gateway")
        elif answer is not None and answer.clean:
            wrong.append(f"{size} bytes, after the head: ended cleanly: {answer}")
        caller.close()
    assert wrong == []


@pytest.mark.parametrize("whole", ANSWERS.values(), ids=ANSWERS.keys())
async def test_answer_that_is_not_cut_ends_cleanly(whole, gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    origin.answer(whole, then="close")
    caller, answer = await asked(gw, b"GET", b"1")
    assert answer is not None
    assert answer.clean
    assert answer.body in (b"0123456789abcdefghij", b"hello0123456789")


async def test_cut_answer_ends_the_callers_connection_and_no_other(gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    other = await gw.connect()
    assert (await other.ask(REQUEST % (b"GET", b"1"))).status == 200
    origin.answer_once(BY_LENGTH[:-1], then="close")
    caller, answer = await asked(gw, b"GET", b"1")
    assert answer is None or not answer.clean
    assert await caller.closed()
    assert (await other.ask(REQUEST % (b"GET", b"1"))).status == 200
