"""Limited routes over real sockets: who is refused, what it costs, what is told, and what the service never sees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwproxy.config.load import loads
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.decision import Refusal
from gwproxy.limits.spec import LimitSpec
from gwproxy.replies import date_line, problem
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener

Start = Callable[..., Awaitable[Gateway]]

SERVICE = """
[services.origin]
url = "${ORIGIN}"
"""
ROUTE = """
[[routes]]
path = "/*"
service = "origin"
"""


class Clock:
    """Time that a test turns on."""

    def __init__(self, gw: Gateway) -> None:
        self.now = 1000.0
        self._store = gw.worker.live.limits
        self._store.clock = lambda: round(self.now * 1e9)
        for route in gw.worker.server.bound.routes:
            for check in route.checks:
                check.__self__._clock = self._store.clock

    @property
    def wall(self) -> float:
        return float(self._store.now_us()) / 1e6


def get(path: str = "/a", *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def told(answer: Answer) -> dict[str, str]:
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "ratelimit", "ratelimit-policy", "retry-after")
    found = {name: answer.header(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


async def test_exactly_as_many_as_allowed_reach_the_service(origin: Origin, gateway: Start):
    gw = await gateway(SERVICE + 'limit = { requests = 50, window = "60s" }' + ROUTE, origin)
    clock = Clock(gw)

    async def caller() -> list[int]:
        client = await gw.connect()
        return [(await client.ask(get())).status for _ in range(5)]

    found = [status for some in await asyncio.gather(*(caller() for _ in range(32))) for status in some]
    assert (found.count(200), found.count(429)) == (50, 110)
    assert len(origin.seen) == 50
    clock.now += 59.999
    assert (await gw.ask(get())).status == 429
    clock.now += 0.0011
    assert (await gw.ask(get())).status == 200


async def test_answers_tell_what_is_left_and_waiting_retry_after_is_enough(origin: Origin, gateway: Start):
    limits = '[services.origin.rate_limits]\ndefault = { requests = 2, window = "10s" }\n'
    gw = await gateway(SERVICE + limits + ROUTE, origin)
    clock = Clock(gw)
    first = told(await gw.ask(get()))
    assert first == {
        "x-ratelimit-limit": "2", "x-ratelimit-remaining": "1", "ratelimit": '"default";r=1;t=10',
        "ratelimit-policy": '"default";q=2;w=10',
    }  # fmt: skip
    clock.now += 3.5
    assert told(await gw.ask(get()))["ratelimit"] == '"default";r=0;t=7'
    refused = await gw.ask(get())
    assert refused.status == 429
    assert (told(refused)["retry-after"], told(refused)["ratelimit"]) == ("7", '"default";r=0;t=7')
    problem = refused.json()
    assert (problem["code"], problem["detail"], problem["limit"]) == ("rate_limited", "Rate limit exceeded", "default")
    assert int(refused.header("x-ratelimit-reset") or 0) == -(-(clock.wall + 6.5) // 1)
    clock.now += float(told(refused)["retry-after"])
    assert (await gw.ask(get())).status == 200


async def test_refused_request_spends_nothing_of_the_other_limits(origin: Origin, gateway: Start):
    text = """
[limits]
global = { requests = 5, window = "60s" }
[services.origin]
url = "${ORIGIN}"
limit = { requests = 100, window = "60s" }
[services.origin.rate_limits]
default = { requests = 2, window = "60s", by = "header:X-Key" }
"""
    gw = await gateway(text + ROUTE, origin)
    Clock(gw)
    a = [(await gw.ask(get("/a", "X-Key: a"))).status for _ in range(20)]
    assert a == [200, 200] + [429] * 18
    b = [(await gw.ask(get("/a", "X-Key: b"))).status for _ in range(2)]
    c = [await gw.ask(get("/a", "X-Key: c")) for _ in range(2)]
    assert b == [200, 200]
    assert [answer.status for answer in c] == [200, 429]
    # Refused by everybody's limit, of which no caller is told how much is left.
    assert c[1].json()["limit"] == "global"
    assert told(c[1])["x-ratelimit-remaining"] == "1"


async def test_burst_bounds_what_comes_at_once_and_the_window_what_comes_in_all(origin: Origin, gateway: Start):
    text = '[tiers.anonymous]\nrequests = 6\nwindow = "60s"\nburst = 2\n'
    gw = await gateway(text + SERVICE + ROUTE, origin)
    clock = Clock(gw)
    assert [(await gw.ask(get())).status for _ in range(3)] == [200, 200, 429]
    refused = await gw.ask(get())
    assert (refused.json()["limit"], told(refused)["retry-after"]) == ("anonymous-burst", "10")
    for _ in range(4):
        clock.now += 10
        assert (await gw.ask(get())).status == 200
    clock.now += 10
    refused = await gw.ask(get())
    assert (refused.status, refused.json()["limit"]) == (429, "anonymous")


async def test_routes_own_limit_and_names_of_limits(origin: Origin, gateway: Start):
    text = """
[services.origin]
url = "${ORIGIN}"
[services.origin.rate_limits]
default = { requests = 100, window = "60s" }
create = { requests = 1, window = "60s", tiers = { anonymous = 2 } }
[tiers.anonymous]
requests = 1000
window = "60s"
[[routes]]
path = "/made"
method = "POST"
service = "origin"
rate_limit = "create"
[[routes]]
path = "/few"
service = "origin"
limit = { requests = 1, window = "60s" }
[[routes]]
path = "/free"
respond = { status = 200 }
"""
    gw = await gateway(text, origin)
    Clock(gw)
    post = b"POST /made HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    assert [(await gw.ask(post)).status for _ in range(3)] == [200, 200, 429]
    few = [await gw.ask(get("/few")) for _ in range(2)]
    assert [answer.status for answer in few] == [200, 429]
    assert few[1].json()["limit"] == "route"
    # Of the route's own limit, which is everybody's, nothing is told.
    assert told(few[1])["x-ratelimit-limit"] == "100"
    assert (await gw.ask(get("/free"))).status == 200


async def test_callers_are_told_apart_by_address_and_networks(origin: Origin, gateway: Start):
    text = """
[gateway]
trusted_proxies = ["127.0.0.0/8"]
[services.origin]
url = "${ORIGIN}"
[services.origin.rate_limits]
default = { requests = 1, window = "60s" }
"""
    gw = await gateway(text + ROUTE, origin)
    Clock(gw)

    async def status(address: str) -> int:
        return (await gw.ask(get("/a", f"X-Forwarded-For: {address}"))).status

    assert [await status("192.0.2.1"), await status("192.0.2.1"), await status("192.0.2.2")] == [200, 429, 200]
    assert [await status("2001:db8::1"), await status("2001:db8::ffff"), await status("2001:db8:0:1::1")] == [
        200, 429, 200,
    ]  # fmt: skip
    assert await status("::ffff:192.0.2.1") == 429


@pytest.mark.parametrize("value", ["a" * 7000, "a:x", "a\x80", "h:x-key:a", '"', "a%00", "\\"])
async def test_no_key_of_a_header_is_anothers_and_none_is_long(value: str, origin: Origin, gateway: Start):
    limits = '[services.origin.rate_limits]\ndefault = { requests = 1, window = "60s", by = "header:X-Key" }\n'
    gw = await gateway(SERVICE + limits + ROUTE, origin)
    Clock(gw)
    raw = get("/a", "X-Key: @").replace(b"@", value.encode("latin-1"))
    assert [(await gw.ask(raw)).status for _ in range(2)] == [200, 429]
    for other in dict.fromkeys(("a", "x", "A", value[:-1], "")):
        assert (await gw.ask(get("/a", "X-Key: @").replace(b"@", other.encode("latin-1")))).status == 200
    [level] = gw.worker.live.limits._levels.values()
    assert max(len(who) for who in level._young) <= 64


async def test_reload_keeps_what_was_used_and_a_new_limit_holds_at_once(origin: Origin, gateway: Start):
    def text(requests: int) -> str:
        limits = f'[services.origin.rate_limits]\ndefault = {{ requests = {requests}, window = "60s" }}\n'
        return SERVICE + limits + ROUTE

    gw = await gateway(text(3), origin)
    Clock(gw)
    assert [(await gw.ask(get())).status for _ in range(3)] == [200] * 3

    async def reload(requests: int) -> None:
        await gw.worker.reload(loads(with_listener(text(requests)), environ={"ORIGIN": origin.url}))

    await reload(3)
    assert (await gw.ask(get())).status == 429
    await reload(5)
    answers = [await gw.ask(get()) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    await reload(2)
    assert (await gw.ask(get())).status == 429


async def test_what_was_refused_is_recorded_with_the_limit(origin: Origin, gateway: Start):
    gw = await gateway(SERVICE + 'limit = { requests = 1, window = "60s" }' + ROUTE, origin)
    Clock(gw)
    for _ in range(2):
        await gw.ask(get())
    records: list[Any] = gw.records
    assert [(one.status, one.code, one.limit) for one in records] == [
        (200, None, None), (429, "rate_limited", "service:origin"),
    ]  # fmt: skip


async def test_health_checks_of_the_gateway_are_not_limited(gateway: Start):
    text = '[gateway]\nhealthz = "/healthz"\n[limits]\nglobal = { requests = 1, window = "60s" }\n'
    gw = await gateway(text + '[[routes]]\npath = "/a"\nrespond = { status = 200 }\n')
    assert [(await gw.ask(get("/healthz"))).status for _ in range(3)] == [200] * 3
    assert [(await gw.ask(get())).status for _ in range(2)] == [200, 429]


def test_refusal_is_the_problem_that_any_other_would_be():
    spec = LimitSpec("limit:users.create", "create", "exact", 5, 60_000_000, "principal", told=True)
    head = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)
    one = Exchange(head, Sender(), 0.0)
    one.request_id = b"0-1@x"
    reply = Refusal(spec).reply(one, 1_000_001)
    error = one.error
    assert isinstance(error, GatewayError)
    error.retry_after_s = 2
    whole = problem(error, one.request_id)
    assert (reply.status, reply.head, reply.body, reply.length) == (429, whole.head, whole.body, whole.length)
    assert reply.lines.replace(date_line(), b"") == whole.lines.replace(date_line(), b"")
    assert (one.code, one.refused_by, error.cause) == ("rate_limited", "limit:users.create", "limit limit:users.create")
