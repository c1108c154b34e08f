"""Each timeout of design section 5: what it ends, how that is told, and what it lets live.

Margins are wide: a deadline is tested for not striking early, and for striking within a second and a half.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.black_hole import black_hole
from tests.support.bulk import MIB, Bulk, Pour
from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.problems import assert_problem
from tests.support.running import PLAIN, Gateway
from tests.support.scripted import hold, pause, send, stop_reading, take, take_head, take_request
from tests.support.until import until

LATE_S = 1.5
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"

ROUTES = """
[gateway]
max_request_body = "1GiB"
{gateway}

[services.origin]
url = "${{ORIGIN}}"
{service}

[[routes]]
path = "/*"
method = "*"
service = "origin"
"""


def routes(service: str = "", gateway: str = "") -> str:
    return ROUTES.format(service=service, gateway=gateway)


class Clock:
    """How long a block took, held against the deadline that should end it."""

    def __enter__(self) -> Clock:
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.took = time.monotonic() - self._started

    def assert_struck(self, deadline_s: float) -> None:
        assert deadline_s - 0.01 <= self.took < deadline_s + LATE_S


async def assert_times_out(gw: Gateway, deadline_s: float, raw: bytes = GET, detail_ms: int = 0) -> None:
    """504 at the deadline, in the pattern's words; the caller's connection lives on where no body was cut."""
    caller = await gw.connect()
    with Clock() as clock:
        answer = await caller.ask(raw)
    assert answer.status == 504
    assert_problem(answer, "upstream_timeout")
    shown = detail_ms or round(deadline_s * 1000)
    assert answer.json()["detail"] == f"Request to origin timed out after {shown}ms"
    clock.assert_struck(deadline_s)


# -- towards the service


async def test_black_holed_target_is_504_after_connect_timeout(gateway):
    with black_hole() as url:
        gw = await gateway(routes('connect_timeout = "0.3s"'), ORIGIN=url)
        await assert_times_out(gw, 0.3)
        assert gw.records[-1].code == "upstream_timeout"
        assert gw.records[-1].connect_ms >= 290


async def test_connecting_is_part_of_the_attempt(gateway):
    with black_hole() as url:
        gw = await gateway(routes('timeout = "0.3s"\nconnect_timeout = "5s"'), ORIGIN=url)
        await assert_times_out(gw, 0.3)


async def test_connecting_is_part_of_the_whole(gateway):
    with black_hole() as url:
        gw = await gateway(routes('total_timeout = "0.3s"\nconnect_timeout = "3s"'), ORIGIN=url)
        await assert_times_out(gw, 0.3)


async def test_black_hole_harms_no_other_route(gateway, origin: Origin):
    text = routes('connect_timeout = "1s"') + (
        '\n[services.other]\nurl = "${OTHER}"\n[[routes]]\npath = "/other"\nservice = "other"\n'
    )
    with black_hole() as url:
        gw = await gateway(text, ORIGIN=url, other=origin.url)
        lost = [await gw.connect() for _ in range(50)]
        for caller in lost:
            await caller.send(GET)
        with Clock() as clock:
            assert (await gw.ask(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
        assert clock.took < 0.5
        statuses = [(await caller.read_answer()).status for caller in lost]
        assert statuses == [504] * 50


@pytest.mark.parametrize("script", [[take_request(), hold()], [take_request(), send(OK[:20]), hold()]])
async def test_service_without_a_whole_head_is_504_after_timeout(script, gateway, scripted):
    gw = await gateway(routes('timeout = "0.3s"'), origin=await scripted(script))
    await assert_times_out(gw, 0.3)
    assert (gw.records[-1].status, gw.records[-1].code) == (504, "upstream_timeout")


async def test_connection_that_timed_out_is_not_used_again(gateway, scripted):
    late = [take_request(), pause(0.4), send(OK.replace(b"ok", b"NO")), hold()]
    server = await scripted(late, [take_request(), send(OK), hold()])
    gw = await gateway(routes('timeout = "0.2s"'), origin=server)
    caller = await gw.connect()
    assert (await caller.ask(GET)).status == 504
    await asyncio.sleep(0.3)
    assert (await caller.ask(GET)).body == b"ok"
    assert server.connections == 2


async def test_interim_answers_do_not_move_the_timeout(gateway, scripted):
    hints = [step for _ in range(40) for step in (send(b"HTTP/1.1 103 \r\nA: b\r\n\r\n"), pause(0.05))]
    gw = await gateway(routes('timeout = "0.4s"'), origin=await scripted([take_request(), *hints, hold()]))
    await assert_times_out(gw, 0.4)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_upload_longer_than_the_timeout_lives(framing: str, gateway, origin: Origin):
    gw = await gateway(routes('timeout = "0.3s"'), origin=origin)
    caller = await gw.connect()
    if framing == "length":
        await caller.send(POST % 5)
        said = [b"h", b"e", b"l", b"l", b"o"]
    else:
        await caller.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        said = [b"1\r\n%c\r\n" % letter for letter in b"hello"] + [b"0\r\n\r\n"]
    for piece in said:
        await asyncio.sleep(0.2)
        await caller.send(piece)
    answer = await caller.read_answer()
    assert answer.status == 200
    assert origin.last.body == b"hello"


async def test_timeout_counts_from_the_last_byte_of_an_upload(gateway, scripted):
    gw = await gateway(routes('timeout = "0.4s"'), origin=await scripted([take_request(), hold()]))
    caller = await gw.connect()
    await caller.send(POST % 2 + b"h")
    await asyncio.sleep(0.6)
    with Clock() as clock:
        await caller.send(b"i")
        answer = await caller.read_answer()
    assert answer.status == 504
    assert answer.json()["detail"] == "Request to origin timed out after 400ms"
    clock.assert_struck(0.4)


@pytest.mark.parametrize(
    "raw", [b"Content-Length: 9\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"\r\nab"]
)
async def test_service_silent_inside_its_answer_is_cut_after_idle_timeout(raw: bytes, gateway, scripted):
    server = await scripted([take_request(), send(b"HTTP/1.1 200 OK\r\n" + raw), hold()])
    gw = await gateway(routes('idle_timeout = "0.4s"\ntimeout = "0.2s"'), origin=server)
    caller = await gw.connect()
    with Clock() as clock:
        answer = await caller.ask(GET)
    assert (answer.status, answer.body, answer.clean) == (200, b"ab", False)
    clock.assert_struck(0.4)
    assert await caller.closed()
    await until(lambda: server.open_connections == 0)
    assert gw.records[-1].code == "upstream_timeout"


async def test_service_that_goes_on_within_idle_timeout_lives(gateway, scripted):
    drops = [step for _ in range(6) for step in (pause(0.2), send(b"1\r\nx\r\n"))]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = await scripted([take_request(), send(head), *drops, send(b"0\r\n\r\n"), hold()])
    gw = await gateway(routes('idle_timeout = "0.6s"\ntimeout = "0.5s"'), origin=server)
    answer = await gw.ask(GET)
    assert (answer.body, answer.clean) == (b"xxxxxx", True)


async def test_service_that_does_not_read_an_upload_is_504_after_idle_timeout(gateway, scripted):
    server = await scripted([take_head(), stop_reading(), pause(30)])
    gw = await gateway(routes('idle_timeout = "0.5s"\ntimeout = "0.2s"'), origin=server)
    caller = await gw.connect()
    await caller.send(POST % (64 * MIB))
    pouring = asyncio.ensure_future(Pour(caller.wire, 64 * MIB, chunked=False).run())
    answer = await caller.read_answer()
    assert answer.status == 504
    assert_problem(answer, "upstream_timeout")
    assert answer.json()["detail"] == "Request to origin timed out after 500ms"
    caller.close()
    await pouring


async def test_total_timeout_ends_an_answer_that_goes_on_and_on(gateway, scripted):
    drops = [step for _ in range(100) for step in (send(b"1\r\nx\r\n"), pause(0.05))]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    gw = await gateway(
        routes('total_timeout = "0.5s"'), origin=await scripted([take_request(), send(head), *drops, hold()])
    )
    with Clock() as clock:
        answer = await gw.ask(GET)
    assert (answer.status, answer.clean) == (200, False)
    clock.assert_struck(0.5)


async def test_total_timeout_ends_a_wait_for_the_head(gateway, scripted):
    gw = await gateway(routes('total_timeout = "0.3s"'), origin=await scripted([take_request(), hold()]))
    await assert_times_out(gw, 0.3)


async def test_total_timeout_ends_an_upload(gateway, origin: Origin):
    gw = await gateway(routes('total_timeout = "0.4s"'), origin=origin)
    caller = await gw.connect()
    with Clock() as clock:
        await caller.send(POST % 100 + b"x")
        answer = await caller.read_answer()
    assert answer.status == 504
    clock.assert_struck(0.4)
    assert await caller.closed()


async def test_without_total_timeout_a_long_answer_lives(gateway, scripted):
    drops = [step for _ in range(15) for step in (send(b"1\r\nx\r\n"), pause(0.1))]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = await scripted([take_request(), send(head), *drops, send(b"0\r\n\r\n"), hold()])
    gw = await gateway(routes('timeout = "0.3s"\nidle_timeout = "1s"'), origin=server)
    assert (await gw.ask(GET)).clean


async def test_routes_timeout_rules_over_the_services(gateway, scripted):
    text = routes('timeout = "5s"').replace('path = "/*"', 'path = "/*"\ntimeout = "0.3s"')
    gw = await gateway(text, origin=await scripted([take_request(), hold()]))
    await assert_times_out(gw, 0.3)


# -- towards the caller


async def assert_408(caller: Client, clock: Clock, deadline_s: float) -> None:
    with clock:
        answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 408
    assert_problem(answer, "request_timeout")
    assert answer.will_close()
    assert await caller.closed()
    clock.assert_struck(deadline_s)


@pytest.mark.parametrize("raw", [b"G", GET[:-2], GET[:-1], b"\r\nG"])
async def test_head_that_does_not_come_whole_is_408_after_header_timeout(raw, gateway, origin: Origin):
    gw = await gateway(routes(gateway='header_timeout = "0.4s"'), origin=origin)
    caller = await gw.connect()
    await caller.send(raw)
    await assert_408(caller, Clock(), 0.4)
    assert (gw.records[-1].status, gw.records[-1].code) == (408, "request_timeout")
    assert origin.connections == 0


async def test_header_timeout_counts_from_the_heads_first_byte(gateway, origin: Origin):
    """Neither bytes that trickle nor the time before them move it."""
    gw = await gateway(routes(gateway='header_timeout = "0.6s"'), origin=origin)
    caller = await gw.connect()
    assert (await caller.ask(GET)).status == 200
    await asyncio.sleep(0.5)

    async def trickle() -> None:
        for letter in GET[:-1]:
            await caller.send(bytes([letter]))
            await asyncio.sleep(0.1)

    trickling = asyncio.ensure_future(trickle())
    await assert_408(caller, Clock(), 0.6)
    trickling.cancel()


async def test_silence_inside_a_body_is_408_after_body_timeout(gateway, origin: Origin):
    gw = await gateway(routes(gateway='body_timeout = "0.4s"'), origin=origin)
    caller = await gw.connect()
    await caller.send(POST % 5 + b"he")
    await assert_408(caller, Clock(), 0.4)
    assert (gw.records[-1].status, gw.records[-1].code) == (408, "request_timeout")
    await until(lambda: origin.open_connections == 0)
    assert origin.seen == []


async def test_body_that_trickles_lives(gateway, origin: Origin):
    gw = await gateway(routes(gateway='body_timeout = "0.6s"'), origin=origin)
    caller = await gw.connect()
    await caller.send(POST % 5)
    for letter in b"hello":
        await asyncio.sleep(0.25)
        await caller.send(bytes([letter]))
    assert (await caller.read_answer()).status == 200


@pytest.mark.parametrize("after", ["100 of the service", "no 100"])
async def test_slow_caller_is_not_taken_for_a_slow_service(after: str, gateway, scripted):
    """idle_timeout is the service's; a silent caller falls under body_timeout alone."""
    begin = [take_head(), send(b"HTTP/1.1 100 \r\n\r\n")] if after != "no 100" else [take_head()]
    server = await scripted([*begin, take(5), send(OK), hold()])
    text = routes('timeout = "0.3s"\nidle_timeout = "0.3s"', gateway='body_timeout = "3s"')
    gw = await gateway(text, origin=server)
    caller = await gw.connect()
    expect = b"Expect: 100-continue\r\n\r\n" if after != "no 100" else b"\r\n"
    await caller.send((POST % 5).removesuffix(b"\r\n") + expect)
    if after != "no 100":
        assert (await caller.read_interim())[0] == 100
    await caller.send(b"he")
    await asyncio.sleep(0.8)
    await caller.send(b"llo")
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, server.fed) == (200, b"hello")


async def test_idle_connection_closes_silently_after_keepalive_timeout(gateway, origin: Origin):
    gw = await gateway(routes(gateway='keepalive_timeout = "0.4s"'), origin=origin)
    fresh, used = await gw.connect(), await gw.connect()
    assert (await used.ask(GET)).status == 200
    with Clock() as clock:
        assert await fresh.ended() == "fin"
        assert await used.ended() == "fin"
    clock.assert_struck(0.35)
    assert (fresh.unread(), used.unread()) == (b"", b"")
    assert [record.status for record in gw.records] == [200]


@pytest.mark.parametrize("before", ["an upload", "a head in pieces"])
async def test_keepalive_timeout_rules_whatever_came_before(before: str, gateway, origin: Origin):
    """An earlier phase's longer deadline must not hide it."""
    gw = await gateway(routes(gateway='keepalive_timeout = "0.4s"'), origin=origin)
    caller = await gw.connect()
    if before == "an upload":
        await caller.send(POST % 2)
        await asyncio.sleep(0.6)
        await caller.send(b"hi")
    else:
        await caller.send(GET[:9])
        await asyncio.sleep(0.6)
        await caller.send(GET[9:])
    assert (await caller.read_answer()).status == 200
    with Clock() as clock:
        assert await caller.ended() == "fin"
    clock.assert_struck(0.38)


async def test_answer_longer_than_keepalive_timeout_lives(gateway, scripted):
    server = await scripted([take_request(), pause(0.8), send(OK), hold()])
    gw = await gateway(routes(gateway='keepalive_timeout = "0.3s"'), origin=server)
    assert (await gw.ask(GET)).body == b"ok"


async def test_reader_without_progress_is_cut_after_body_timeout(gateway, level):
    bulk = Bulk(64 * MIB)
    await bulk.start()
    try:
        gw = await gateway(routes(gateway='body_timeout = "0.5s"'), origin=bulk)
        caller = await gw.connect()
        caller.wire.pause()
        await caller.send(GET)
        await until(lambda: gw.records)
        assert gw.records[-1].code == "client_closed"
        assert gw.records[-1].total_ms >= 490
        await until(lambda: bulk.open_connections == 0)
        caller.wire.resume()
        assert await caller.closed()
    finally:
        await bulk.stop()


async def test_reader_with_progress_lives(gateway, level):
    """Slow, but never without progress for as long as body_timeout."""
    bulk = Bulk(48 * MIB)
    await bulk.start()
    try:
        gw = await gateway(routes(gateway='body_timeout = "0.8s"'), origin=bulk)
        caller = await gw.connect()
        caller.wire.pause()
        await caller.send(GET)
        for _ in range(12):
            await asyncio.sleep(0.2)
            caller.wire.resume()
            await asyncio.sleep(0.005)
            caller.wire.pause()
        caller.wire.resume()
        answer = await caller.read_answer()
        assert (len(answer.body), answer.clean) == (48 * MIB, True)
    finally:
        await bulk.stop()


async def test_slow_caller_of_small_answers_harms_nobody(gateway, origin: Origin):
    gw = await gateway(PLAIN, origin=origin)
    slow = [await gw.connect() for _ in range(20)]
    for caller in slow:
        await caller.send(b"GET /slow HTTP/1.1\r\nHo")
    assert (await gw.ask(GET)).status == 200
