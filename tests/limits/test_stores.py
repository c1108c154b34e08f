"""The same questions to every store: what the pattern asks of its limiter, and what its limiter gets wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.support.authority import Authority
from tests.support.client import Answer
from tests.support.relay import Relay
from tests.support.running import Gateway
from tests.support.store import StoreServer

Start = Callable[..., Awaitable[Gateway]]


class StoreAt(NamedTuple):
    url: str


Limited = Callable[[str], Awaitable[Gateway]]

ROUTE = """
[services.origin]
url = "http://127.0.0.1:9"
[services.origin.rate_limits]
{limits}
[[routes]]
path = "/a"
service = "origin"
maintenance = false
[[routes]]
path = "/b"
service = "origin"
rate_limit = "other"
"""


@pytest_asyncio.fixture
async def tcp(store: StoreServer) -> AsyncIterator[StoreAt]:
    relay = Relay(store.path)
    await relay.start()
    yield StoreAt(f"redis://127.0.0.1:{relay.port}")
    await relay.stop()


@pytest_asyncio.fixture
async def tls(store: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreAt]:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    relay = Relay(store.path, authority.server_context("127.0.0.1"))
    await relay.start()
    yield StoreAt(f"rediss://127.0.0.1:{relay.port}")
    await relay.stop()


@pytest.fixture(params=["memory", "store", "tcp", "tls", "cluster", "sentinel"])
def limited(request: pytest.FixtureRequest, gateway: Start) -> Limited:
    """Starts a gateway with these limits; its service is not there, which is nothing to a limit (502)."""
    state = ""
    if request.param != "memory":
        state = f'[state]\nurl = "{request.getfixturevalue(request.param).url}"\ntimeout = "5s"\n'

    async def start(limits: str) -> Gateway:
        return await gateway(state + ROUTE.format(limits=limits))

    return start


async def ask(gw: Gateway, path: str = "/a") -> Answer:
    return await gw.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


OTHER = 'other = { requests = 2, window = "60s" }\n'


async def test_requests_within_the_limit_are_allowed(limited: Limited):
    gw = await limited('default = { requests = 10, window = "60s" }\n' + OTHER)
    answer = await ask(gw)
    assert answer.status == 502
    assert (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")) == ("10", "9")


async def test_requests_over_the_limit_are_refused(limited: Limited):
    gw = await limited('default = { requests = 3, window = "60s" }\n' + OTHER)
    answers = [await ask(gw) for _ in range(4)]
    assert [answer.status for answer in answers] == [502, 502, 502, 429]
    assert [answer.header("x-ratelimit-remaining") for answer in answers] == ["2", "1", "0", "0"]


async def test_names_of_limits_are_counted_apart(limited: Limited):
    gw = await limited('default = { requests = 2, window = "60s" }\n' + OTHER)
    assert [(await ask(gw, path)).status for path in ("/a", "/a", "/a", "/b", "/b", "/b")] == [502, 502, 429] * 2


async def test_many_at_once_are_exactly_as_many_as_allowed(limited: Limited):
    gw = await limited('default = { requests = 50, window = "600s" }\n' + OTHER)
    answers = await asyncio.gather(*(ask(gw) for _ in range(120)))
    assert sum(answer.status == 502 for answer in answers) == 50


@pytest.mark.parametrize(
    ("limit", "allowed", "name"),
    [
        ('requests = 100, window = "600s", burst = 4', 4, "default-burst"),
        ('requests = 100, window = "600s", quota = { requests = 100, period = "month" }', 100, "default"),
        ('requests = 8, window = "600s", precision = "hard"', 8, "default"),
        ('requests = 8, window = "600s", quota = { requests = 8, period = "day" }', 8, "default"),
    ],
)
async def test_every_kind_of_limit_refuses_what_is_too_much(limit: str, allowed: int, name: str, limited: Limited):
    gw = await limited(f"default = {{ {limit} }}\n" + OTHER)
    answers = [await ask(gw) for _ in range(allowed + 1)]
    assert [answer.status for answer in answers] == [502] * allowed + [429]
    assert answers[-1].json()["limit"].startswith(name)
    assert int(answers[-1].header("retry-after") or 0) >= 1
