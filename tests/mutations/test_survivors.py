"""Behaviour that no test looked at until a mutation of it survived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bench import exchange as exchange_alone
from gwproxy.config.load import loads
from gwproxy.deadlines import NEVER, TICK_S, Wheel
from gwproxy.drive import drive
from gwproxy.egress.forward import attempt
from gwproxy.egress.request import Request, Times
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.router import MAX_REMEMBERED
from gwproxy.wire.fields import REQUESTS, parse_fields
from gwproxy.wire.flow import HIGH, Body
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support.origin import CONTINUE, Origin
from tests.support.running import PLAIN
from tests.support.scripted import hold, send, take, take_head

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

ROUTES = """
[[routes]]
path = "/*"
hosts = ["*.example.com"]
respond = { status = 200 }
"""
OTHER = ROUTES.replace("*.example.com", "b.test")
HOSTS = """
[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/callers"
service = "origin"
preserve_host = true

[[routes]]
path = "/own"
service = "origin"
"""


class Tap:
    """A faucet that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def abort(self) -> None:
        self.told.append("abort")


class Bucket:
    """A sink that takes everything."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: bytes) -> None:
        self.taken += data

    def finish(self) -> None:
        return

    def fail(self, error: BaseException) -> None:
        return


def test_body_that_nobody_takes_yet_turns_its_faucet_off_at_the_bound():
    tap = Tap()
    body = Body(tap, -1)
    body.put(b"x" * (HIGH - 1))
    assert tap.told == []
    body.put(b"x")
    assert tap.told == ["pause"]


def test_body_that_has_found_its_sink_goes_on():
    tap, bucket = Tap(), Bucket()
    body = Body(tap, -1)
    body.put(b"x" * HIGH)
    body.connect(bucket)
    assert tap.told == ["pause", "resume"]
    assert len(bucket.taken) == HIGH


def asked(host: bytes, path: bytes = b"/a") -> None:
    ROUTER.match(host, b"GET", path, parse_fields(b"", REQUESTS))


ROUTER = compile(loads(ROUTES, environ={})).router


def test_suffix_of_hosts_is_no_host_itself():
    asked(b"a.example.com")
    with pytest.raises(GatewayError):
        asked(b".example.com")


def test_path_is_remembered_for_its_host_alone():
    router = compile(loads(ROUTES.replace('"*.example.com"', '"a.test"') + OTHER, environ={})).router
    for _ in range(2):
        for host, index in ((b"a.test", 0), (b"b.test", 1)):
            assert router.match(host, b"GET", b"/a", parse_fields(b"", REQUESTS))[0].index == index


def test_router_remembers_a_bounded_number_of_paths():
    for number in range(MAX_REMEMBERED + 10):
        asked(b"a.example.com", b"/%d" % number)
    assert 0 < len(ROUTER._recent) <= MAX_REMEMBERED


class Slow:
    """A connection whose service never answers."""

    served = 0

    def __init__(self) -> None:
        self.aborted = False

    def send(self, *about: object) -> None:
        return

    def abort(self) -> None:
        self.aborted = True


class OneSlow:
    """A pool that has just the one."""

    name = "slow"

    def __init__(self) -> None:
        self.connection = Slow()
        self.wheel = Wheel()

    def take(self, *, checked: bool) -> Slow:
        return self.connection


async def test_attempt_that_is_given_up_aborts_its_connection_at_once():
    pool = OneSlow()
    head = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)
    exchange = Exchange(head, Sender(), 0.0)
    future = drive(attempt(exchange, pool, Request(b"GET", b"/", b""), Times(1, 1, 1, 1)))  # type: ignore[arg-type]
    assert not pool.connection.aborted
    future.cancel()
    await asyncio.sleep(0)
    assert pool.connection.aborted


class Thing:
    """Something with a deadline."""

    def __init__(self) -> None:
        self.due = self.filed = NEVER
        self.told = 0

    def expired(self, now: float) -> None:
        self.told += 1


async def test_deadline_that_has_passed_already_is_told_in_the_next_sweep():
    now = 1000.0
    wheel = Wheel(lambda: now)
    others, late = [Thing() for _ in range(20)], Thing()
    for number, thing in enumerate(others):
        wheel.set(thing, now + 60 + number)
    wheel.sweep()
    wheel.set(late, now - 1)
    now += 2 * TICK_S
    wheel.sweep()
    wheel.close()
    assert late.told == 1
    assert sum(thing.told for thing in others) == 0


async def test_service_sees_the_host_that_the_route_says(gateway, origin: Origin):
    gw = await gateway(HOSTS, origin=origin)
    for path in (b"/callers", b"/own"):
        await gw.ask(b"GET %b HTTP/1.1\r\nHost: shop.example.com\r\n\r\n" % path)
    first, second = await origin.saw(2)
    assert first.header("Host") == "shop.example.com"
    assert second.header("Host") == f"127.0.0.1:{origin.port}"


async def test_hundred_of_a_service_is_passed_on_once_before_the_body_comes(gateway, scripted):
    twice = await scripted([take_head(), send(CONTINUE + CONTINUE), take(5), send(ANSWER), hold()])
    gw = await gateway(PLAIN, origin=twice)
    caller = await gw.connect()
    await caller.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert (await caller.read_interim())[0] == 100
    # Neither the service's second nor, after a second, our own.
    await asyncio.sleep(1.2)
    assert caller.unread() == b""
    await caller.send(b"hello")
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.interim) == (200, [])


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_upgrade_that_nobody_asked_for_is_no_answer(gateway, scripted):
    service = await scripted(
        [take_head(), send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + ANSWER), hold()]
    )
    gw = await gateway(PLAIN, origin=service)
    answer = await gw.ask(GET)
    assert (answer.status, answer.interim) == (502, [])


@pytest.mark.parametrize(("count", "status"), [(32, 200), (33, 502)])
async def test_interim_answers_are_bounded(count: int, status: int, gateway, scripted):
    service = await scripted(
        [take_head(), send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * count + ANSWER), hold()]
    )
    gw = await gateway(PLAIN, origin=service)
    answer = await gw.ask(GET)
    assert (answer.status, len(answer.interim)) == (status, 32)


async def test_bytes_of_a_streamed_reply_are_counted(gateway, scripted):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    service = await scripted([take_head(), send(chunked), send(b"6\r\n world\r\n0\r\n\r\n"), hold()])
    gw = await gateway(PLAIN, origin=service)
    answer = await gw.ask(GET)
    assert answer.body == b"hello world"
    assert [record.bytes_out for record in gw.records] == [11]


async def test_pipelined_requests_wait_for_a_caller_who_does_not_read():
    [fixed] = [route for route in exchange_alone.ROUTES if route.name == "fixed"]
    async with exchange_alone.Road(fixed) as road:
        caller, transport = road.caller, Full()
        caller.connection_made(transport)
        transport.full = caller.pause_writing
        pipelined = fixed.request(0) * 100
        caller.get_buffer(-1)[: len(pipelined)] = pipelined
        caller.buffer_updated(len(pipelined))
        assert transport.written == 10
        transport.full = None
        caller.resume_writing()
        assert transport.written == 100
        transport.close()


class Full(exchange_alone.Void):
    """A transport whose caller has read nothing since its tenth piece."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0
        self.full: Callable[[], None] | None = None
        self.write = self.count

    def count(self, data: bytes) -> None:
        self.written += 1
        if self.full is not None and self.written == 10:
            self.full()

    def get_write_buffer_size(self) -> int:
        return 100_000


async def test_service_that_speaks_something_else_is_refused_at_once(gateway, scripted):
    service = await scripted([take_head(), send(b"SSH-2.0-OpenSSH_9.2\r\n"), hold()])
    gw = await gateway(PLAIN, origin=service)
    async with asyncio.timeout(2):
        answer = await gw.ask(GET)
    assert answer.status == 502


async def test_deadline_that_fails_takes_no_other_of_its_tick_with_it(caplog):
    now = 1000.0
    wheel, failing, sound = Wheel(lambda: now), Thing(), Thing()
    failing.expired = None  # type: ignore[assignment, method-assign]
    for thing in (failing, sound):
        wheel.set(thing, now + TICK_S)
    now += 3 * TICK_S
    wheel.sweep()
    wheel.close()
    assert sound.told == 1
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_driven_coroutine_that_waits_for_what_never_comes_is_told():
    async def nap() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="await it as a task"):
        await drive(nap())
