"""Limits while their store fails under load: nobody waits for longer than its time-out, nobody is told what is not so,
and afterwards limits are exact again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
Fault = Callable[[StoreServer], Awaitable[Any]]

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Key: %d\r\n\r\n"
TIMEOUT_S = 0.25
MARGIN_S = 1.0
"""For a machine where others work too: what is tested is that nobody waits for the five seconds of a pause."""
CALLERS = 24
FILE = """
[state]
url = "{url}"
timeout = "{timeout}ms"
on_failure = "{policy}"
[services.origin]
url = "${{ORIGIN}}"
limit = {{ requests = 1000000, window = "600s" }}
[services.origin.rate_limits]
default = {{ requests = 100000, window = "600s", by = "header:X-Key" }}
last = {{ requests = 30, window = "600s", by = "header:X-Key" }}
[[routes]]
path = "/*"
service = "origin"
[[routes]]
path = "/last"
service = "origin"
rate_limit = "last"
"""


class Load:
    """Callers that ask one after another until they are told to stop."""

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.longest_s = 0.0
        self.enough = False

    async def caller(self, client: Client, number: int) -> None:
        loop = asyncio.get_running_loop()
        while not self.enough:
            began = loop.time()
            status = (await client.ask(GET % number)).status
            self.longest_s = max(self.longest_s, loop.time() - began)
            self.statuses[status] = self.statuses.get(status, 0) + 1


def text(url: str, policy: str) -> str:
    return FILE.format(url=url, timeout=round(TIMEOUT_S * 1000), policy=policy)


async def stopped_and_started(store: StoreServer) -> None:
    await store.stop()
    await asyncio.sleep(0.5)
    await store.start()


async def frozen(store: StoreServer) -> None:
    store.signal(signal.SIGSTOP)
    await asyncio.sleep(PAUSE_S)
    store.signal(signal.SIGCONT)


async def paused(store: StoreServer) -> None:
    await store.ask("CLIENT", "PAUSE", round(PAUSE_S * 1000), "ALL")
    await asyncio.sleep(PAUSE_S)


async def full(store: StoreServer) -> None:
    await store.ask("CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(0.5)
    await store.ask("CONFIG", "SET", "maxmemory", "0")


async def read_only(store: StoreServer) -> None:
    await store.ask("REPLICAOF", "127.0.0.1", "1")
    await asyncio.sleep(0.5)
    await store.ask("REPLICAOF", "NO", "ONE")


async def flushed(store: StoreServer) -> None:
    for _ in range(10):
        await store.ask("SCRIPT", "FLUSH")
        await asyncio.sleep(0.02)


async def busy(store: StoreServer) -> None:
    await store.ask("DEBUG", "SLEEP", "1")


PAUSE_S = 5.0
FAULTS = [stopped_and_started, frozen, paused, full, read_only, flushed, busy]
# What holds while the store fails does not depend on why it does.
CASES = [(fault, "deny") for fault in FAULTS] + [(frozen, "local"), (frozen, "allow")]


async def exact_afterwards(gw: Gateway) -> None:
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    client = await gw.connect()
    request = GET.replace(b"/a", b"/last") % 1
    assert [(await client.ask(request)).status for _ in range(35)] == [200] * 30 + [429] * 5


@pytest.mark.parametrize(("fault", "policy"), CASES, ids=[f"{fault.__name__}-{policy}" for fault, policy in CASES])
async def test_fault_under_load(fault: Fault, policy: str, store: StoreServer, origin: Origin, gateway: Start):
    if fault is busy:
        await store.stop()
        await store.start("--enable-debug-command", "yes")
    gw = await gateway(text(store.url, policy), origin)
    load = Load()
    callers = [asyncio.create_task(load.caller(await gw.connect(), number)) for number in range(CALLERS)]
    await until(lambda: load.statuses.get(200, 0) > 200, 10)
    await fault(store)
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    before = load.statuses[200]
    await until(lambda: load.statuses[200] > before + 200, 10)
    load.enough = True
    await asyncio.gather(*callers)
    assert set(load.statuses) <= ({200, 503} if policy == "deny" else {200})
    if fault is not flushed:
        assert gw.worker.live.limits.failures > 0
    else:
        assert gw.worker.live.limits.failures == 0
    assert load.longest_s < TIMEOUT_S + MARGIN_S
    await exact_afterwards(gw)


async def test_failover_under_load(sentinel: StoreSentinel, origin: Origin, gateway: Start):
    gw = await gateway(text(sentinel.url, "deny"), origin)
    load = Load()
    callers = [asyncio.create_task(load.caller(await gw.connect(), number)) for number in range(CALLERS)]
    await until(lambda: load.statuses.get(200, 0) > 200, 10)
    old = await sentinel.primary()
    [other] = [server for server in sentinel.servers if server is not old]
    old.signal(signal.SIGSTOP)
    await sentinel.until_primary_is(other)
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    before = load.statuses[200]
    await until(lambda: load.statuses[200] > before + 200, 10)
    load.enough = True
    await asyncio.gather(*callers)
    assert set(load.statuses) <= {200, 503}
    assert load.longest_s < TIMEOUT_S + MARGIN_S
    await exact_afterwards(gw)
