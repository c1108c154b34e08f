"""Behaviour that no test looked at until a mutation of it survived."""

from __future__ import annotations

import asyncio

import pytest

from gwproxy.config.load import loads
from gwproxy.deadlines import NEVER, TICK_S, Wheel
from gwproxy.drive import Waiter, drive
from gwproxy.egress.forward import attempt
from gwproxy.egress.request import Request, Times
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.router import MAX_REMEMBERED
from gwproxy.wire.fields import REQUESTS, parse_fields
from gwproxy.wire.flow import HIGH, Body
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support.origin import Origin

ROUTES = """
[[routes]]
path = "/*"
hosts = ["*.example.com"]
respond = { status = 200 }
"""
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


def test_router_remembers_a_bounded_number_of_paths():
    for number in range(MAX_REMEMBERED + 10):
        asked(b"a.example.com", b"/%d" % number)
    assert 0 < len(ROUTER._recent) <= MAX_REMEMBERED


class Slow:
    """A connection whose service never answers."""

    served = 0

    def __init__(self) -> None:
        self.aborted = False

    def send(self, exchange: Exchange, request: Request, times: Times) -> Waiter:
        return Waiter()

    def abort(self) -> None:
        self.aborted = True


class OneSlow:
    """A pool that has just the one."""

    name = "slow"

    def __init__(self) -> None:
        self.connection = Slow()

    def take(self, *, checked: bool) -> Slow:
        return self.connection


async def test_attempt_that_is_given_up_aborts_its_connection_at_once():
    pool = OneSlow()
    head = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)
    exchange = Exchange(head, Sender(), None, 0.0)
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
