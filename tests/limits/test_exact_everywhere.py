"""Exactly as many as allowed, in whatever store they are counted: 64 callers at once, and two gateways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.client import Client
from tests.support.command import Runtime
from tests.support.leaks import Level
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store import StoreServer

Start = Callable[..., Awaitable[Gateway]]
Connect = Callable[[int], Awaitable[Client]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

FILE = """
[state]
url = "{url}"
timeout = "5s"
[services.origin]
url = "${{ORIGIN}}"
{limit}
[[routes]]
path = "/*"
service = "origin"
"""
LIMIT = '{ requests = 500, window = "600s" }'
EVERYBODY = f"limit = {LIMIT}"
CALLER = f"[services.origin.rate_limits]\ndefault = {LIMIT}"
"""All that come from one address are one caller."""


async def statuses(clients: list[Client]) -> list[int]:
    """Of twelve requests of each, one after another, while the others ask too."""

    async def ask(client: Client) -> list[int]:
        return [(await client.ask(GET)).status for _ in range(12)]

    return [status for some in await asyncio.gather(*map(ask, clients)) for status in some]


# In a cluster everybody's limit is a lease: it lets through no more, but maybe less.
@pytest.mark.parametrize(
    ("url", "limit"),
    [
        *((where, limit) for where in ("store", "embedded", "tcp", "tls", "sentinel") for limit in (EVERYBODY, CALLER)),
        ("cluster", CALLER),
    ],
    indirect=["url"],
    ids=lambda value: {EVERYBODY: "everybody", CALLER: "caller"}.get(value, value),
)
async def test_two_gateways_let_through_exactly_as_many_as_allowed(
    url: str, limit: str, origin: Origin, gateway: Start
):
    gws = [await gateway(FILE.format(url=url, limit=limit), origin) for _ in range(2)]
    found = await statuses([await gw.connect() for gw in gws for _ in range(32)])
    assert (found.count(200), found.count(429)) == (500, 268)
    assert len(origin.seen) == 500
    assert [gw.worker.live.limits.failures for gw in gws] == [0, 0]


# -- processes

PROCESS = """
[gateway]
listen = ["127.0.0.1:0"]
workers = 2
[state]
url = "{url}"
timeout = "5s"
[limits]
global = {limit}
[[routes]]
path = "/*"
respond = {{ status = 200 }}
"""


@pytest_asyncio.fixture
async def another(level: Level, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runtime]:
    """As `gwproxy`, with a runtime folder of its own, as on another machine."""
    runtime = Runtime(tmp_path_factory.mktemp("run"))
    yield runtime
    await runtime.close()


async def test_two_gateways_of_their_own_processes_let_through_exactly_as_many_as_allowed(
    store: StoreServer, gwproxy: Runtime, another: Runtime, connect: Connect, tmp_path: Path
):
    file = tmp_path / "routes.toml"
    file.write_text(PROCESS.format(url=store.url, limit=LIMIT))
    processes = [await runtime("run", str(file)) for runtime in (gwproxy, another)]
    ports = [await process.port() for process in processes]
    for runtime in (gwproxy, another):
        await runtime.until_serving(2)
    found = await statuses([await connect(port) for port in ports for _ in range(32)])
    assert (found.count(200), found.count(429)) == (500, 268)
    for runtime in (gwproxy, another):
        told = await runtime.status()
        assert [worker["store_failures"] for worker in told["workers"]] == [0, 0]
