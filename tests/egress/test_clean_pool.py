"""A connection goes back to its pool with nothing unread, or is closed: attacked by random courses of events.

Every answer carries the mark of its request; whatever services and callers do, nobody ever gets another's bytes.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.client import Client, connect
from tests.support.framing import Malformed
from tests.support.leaks import measured
from tests.support.running import PLAIN, Gateway, start_gateway
from tests.support.scripted import hold, pause, send, take_request
from tests.support.serving import Served
from tests.support.until import until
from tests.support.wire import Ended, Wire

MARK = re.compile(rb"/m(\d+)")
FOREIGN = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Mark: /foreign\r\n\r\n/foreign"

# How a service answers one request. "surplus" sends a whole other answer right behind its own (one that comes later,
# when the next request is on its way, cannot be told from that one's: HTTP/1.1 has no names for answers); "early"
# answers before it has read the request's body; "partial" stops inside its answer.
SERVICES = (
    "whole",
    "chunked",
    "surplus",
    "early",
    "close",
    "says close",
    "reset",
    "partial",
    "interim",
    "silent",
)
CALLERS = ("reads", "reads", "leaves at once", "leaves inside", "resets inside", "reads late")


@dataclass(frozen=True)
class Turn:
    """One request: what its service and its caller do, whether it has a body, and where the answer is cut in two."""

    service: str
    caller: str
    method: str
    cut: int
    caller_number: int


turns = st.builds(
    Turn,
    service=st.sampled_from(SERVICES),
    caller=st.sampled_from(CALLERS),
    method=st.sampled_from(("GET", "GET", "HEAD", "POST", "POST in pieces", "PUT in chunks")),
    cut=st.integers(0, 120),
    caller_number=st.integers(0, 2),
)


class Unruly(Served):
    """Does with each request what its path says: /m<mark>/<behaviour>/<cut>."""

    async def serve(self, wire: Wire, number: int) -> None:
        try:
            while await self._one(wire):
                pass
        except Ended:
            return

    async def _one(self, wire: Wire) -> bool:
        head = await wire.read_until(b"\r\n\r\n", None)
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        _, mark, behaviour, cut = target.decode().split("/")
        behaviour = behaviour.replace("_", " ")
        if behaviour != "early":
            await self._body(wire, head)
        return await self._answer(wire, method, f"/{mark}".encode(), behaviour, int(cut))

    async def _body(self, wire: Wire, head: bytes) -> None:
        if b"transfer-encoding: chunked" in head.lower():
            while int(await wire.read_until(b"\r\n", None), 16):
                await wire.read_until(b"\r\n", None)
            await wire.read_until(b"\r\n", None)
        elif found := re.search(rb"content-length: (\d+)", head.lower()):
            await wire.read_exactly(int(found[1]), None)

    async def _answer(self, wire: Wire, method: bytes, mark: bytes, behaviour: str, cut: int) -> bool:
        raw = answer_of(mark, behaviour, head_only=method == b"HEAD")
        own = len(raw) - len(FOREIGN) if behaviour == "surplus" else len(raw)
        cut = min(cut, own - 1)
        if behaviour == "silent":
            await wire.read_all(None)
            return False
        if behaviour == "partial":
            await wire.send(raw[:cut])
            await asyncio.sleep(0.002)
            return False
        await wire.send(raw[:cut])
        await asyncio.sleep(0.001)
        await wire.send(raw[cut:])
        if behaviour == "reset" and not wire.transport.is_closing():
            wire.reset()
        return behaviour not in ("close", "says close", "reset", "early")


def answer_of(mark: bytes, behaviour: str, head_only: bool) -> bytes:
    body = mark * 3
    start = b"HTTP/1.1 103 \r\nX-Mark: %b\r\n\r\n" % mark if behaviour == "interim" else b""
    start += b"HTTP/1.1 200 OK\r\nX-Mark: %b\r\n" % mark
    if behaviour == "says close":
        start += b"Connection: close\r\n"
    if behaviour == "chunked":
        framed = b"%x\r\n%b\r\n" % (len(mark), mark)
        whole = (
            start
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + (b"" if head_only else framed * 3 + b"0\r\nT: x\r\n\r\n")
        )
    else:
        whole = start + b"Content-Length: %d\r\n\r\n" % len(body) + (b"" if head_only else body)
    return whole + FOREIGN if behaviour == "surplus" else whole


def pieces_of(turn: Turn, mark: int) -> list[bytes]:
    target = f"/m{mark}/{turn.service.replace(' ', '_')}/{turn.cut}"
    method, _, how = turn.method.partition(" ")
    head = f"{method} {target} HTTP/1.1\r\nHost: a\r\n".encode()
    if how == "in pieces":
        return [head + b"Content-Length: 4\r\n\r\n", b"ab", b"cd"]
    if how == "in chunks":
        return [head + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"0\r\n\r\n"]
    return [head + (b"Content-Length: 4\r\n\r\nabcd" if method == "POST" else b"\r\n")]


class Course:
    """Plays turns of three callers against one gateway, and keeps what was wrong."""

    def __init__(self, gw: Gateway) -> None:
        self.gw = gw
        self.wrong: list[str] = []

    async def caller(self, turns: list[tuple[int, Turn]]) -> None:
        client: Client | None = None
        for mark, turn in turns:
            if client is None or client.wire.end is not None or client.wire.transport.is_closing():
                if client is not None:
                    client.close()
                client = await connect(self.gw.port)
            if not await self._turn(client, mark, turn):
                client.close()
                client = None
        if client is not None:
            client.close()

    async def _turn(self, client: Client, mark: int, turn: Turn) -> bool:
        """Whether the connection can be used again."""
        for piece in pieces_of(turn, mark):
            await client.send(piece)
            if turn.caller == "leaves at once":
                return False
        if turn.caller in ("leaves inside", "resets inside"):
            await asyncio.sleep(turn.cut / 20_000)
            client.reset() if turn.caller == "resets inside" else client.close()
            return False
        if turn.caller == "reads late":
            await asyncio.sleep(0.005)
        return await self._read(client, mark, turn)

    async def _read(self, client: Client, mark: int, turn: Turn) -> bool:
        try:
            answer = await client.read_answer(head=turn.method == "HEAD")
        except Malformed:
            return False  # cut inside its head: allowed after interim answers only, and nobody's bytes
        if answer is None:
            return False
        own = b"/m%d" % mark
        said = answer.header("X-Mark")
        if answer.status == 200:
            if said != own.decode() or (turn.method != "HEAD" and not (own * 3).startswith(answer.body)):
                self.wrong.append(f"{turn} of {own!r} was answered {said} {answer.body!r}")
            if answer.clean and turn.method != "HEAD" and answer.body != own * 3:
                self.wrong.append(f"{turn} of {own!r} ended cleanly with {answer.body!r}")
        elif answer.status not in (502, 504):
            self.wrong.append(f"{turn} was answered {answer.status}")
        return answer.clean and not answer.will_close()


TEXT = PLAIN.replace('url = "${ORIGIN}"', 'url = "${ORIGIN}"\ntimeout = "0.15s"\nidle_timeout = "0.15s"\n%s')


async def play(turns: list[Turn], pool: str) -> list[str]:
    """What was wrong with the course of these turns."""
    level = await measured()
    asyncio.get_running_loop().set_exception_handler(level.hear)
    origin = Unruly()
    await origin.start()
    gw = await start_gateway(TEXT % pool, origin)
    course = Course(gw)
    marked = list(enumerate(turns, 1))
    async with asyncio.timeout(20):
        each = [[(m, t) for m, t in marked if t.caller_number == number] for number in range(3)]
        await asyncio.gather(*(course.caller(own) for own in each))
        await until(lambda: not gw.worker.server.connections)
        busy = [c for pool in gw.worker.live.all_pools for c in pool.connections if c.state != 0]
        course.wrong += [f"still busy: {connection}" for connection in busy]
        course.wrong += left_over(gw)
    await gw.stop()
    await origin.stop()
    return course.wrong + level.complaints + await level.regained()


def left_over(gw: Gateway) -> list[str]:
    wrong = []
    for pool in gw.worker.live.all_pools:
        if pool.opening or pool.idle != len(pool.connections):
            wrong.append(f"out of balance: {pool}")
    if any(record.status == 0 or record.status == 500 for record in gw.records):
        wrong.append(f"records {[record.as_dict() for record in gw.records if record.status in (0, 500)]}")
    ids = [record.request_id for record in gw.records]
    if len(set(ids)) != len(ids):
        wrong.append("an exchange was recorded twice")
    return wrong


def run(made: Any) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(made)


def turn(service: str, caller: str = "reads", method: str = "GET", cut: int = 0, number: int = 0) -> Turn:
    return Turn(service, caller, method, cut, number)


COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "database": None}


def courses(longest: int) -> Any:
    return st.lists(turns, min_size=2, max_size=longest)


@example([turn("surplus"), turn("whole")])
@example([turn("whole", "leaves inside", cut=20), turn("whole")])
@example([turn("early", method="POST in pieces"), turn("whole")])
@example([turn("partial", method="HEAD", cut=3), turn("chunked")])
@settings(max_examples=40, **COMMON)
@given(courses(12))
def test_nobody_gets_anothers_bytes(turns: list[Turn]):
    assert run(play(turns, "")) == []


@settings(max_examples=15, **COMMON)
@given(courses(8))
def test_nobody_gets_anothers_bytes_where_callers_wait_for_one_connection(turns: list[Turn]):
    assert run(play(turns, "connect_timeout = '2s'\npool = { max_connections = 1 }")) == []


@pytest.mark.full
@settings(max_examples=500, **COMMON)
@given(courses(30))
def test_nobody_gets_anothers_bytes_in_many_courses(turns: list[Turn]):
    assert run(play(turns, "")) == []


async def test_answer_that_nobody_asked_for_closes_the_idle_connection(gateway, scripted):
    own, foreign = FOREIGN.replace(b"foreign", b"its-own"), FOREIGN
    server = await scripted(
        [take_request(), send(own), pause(0.02), send(foreign), hold()], [take_request(), send(own), hold()]
    )
    gw = await gateway(PLAIN, origin=server)
    caller = await gw.connect()
    for number in (1, 2):
        assert (await caller.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"/its-own"
        if number == 1:
            await until(lambda: server.open_connections == 0)
    assert server.connections == 2
