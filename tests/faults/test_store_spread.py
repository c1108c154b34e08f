"""Limits in several places while one of these fails under load: only those feel it whose limits it has. A primary that
comes back after its place was taken lets nobody in for long.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.test_store import GET, MARGIN_S, Load
from tests.limits.test_spread import caller_at
from tests.support.client import Client
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

TIMEOUT_S = 1.0
"""Longer than this process, or a node, is kept from running where others work too: the other nodes are not to fail."""
FILE = """
[state]
url = "{url}"
timeout = "{timeout}ms"
on_failure = "deny"
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
default = {{ requests = 1000000, window = "600s", by = "header:X-Key" }}
last = {{ requests = 30, window = "600s", by = "header:X-Key" }}
[[routes]]
path = "/*"
service = "origin"
[[routes]]
path = "/last"
service = "origin"
rate_limit = "last"
"""


def text(url: str) -> str:
    return FILE.format(url=url, timeout=round(TIMEOUT_S * 1000))


async def of_last(client: Client, key: int, count: int) -> list[int]:
    request = GET.replace(b"/a", b"/last") % key
    return [(await client.ask(request)).status for _ in range(count)]


@pytest.mark.parametrize("end", ["killed", "frozen"])
async def test_node_that_fails_under_load_concerns_only_whose_limits_it_has(
    end: str, cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster.url), origin)
    keys = [int(caller_at(cluster, node)) for node in cluster.nodes]
    loads = [Load() for _ in keys]
    callers = [
        asyncio.create_task(load.caller(await gw.connect(), key))
        for load, key in zip(loads, keys, strict=True)
        for _ in range(4)
    ]
    *kept, lost = loads
    for load in loads:
        await load.until_more()
    client = await gw.connect()
    assert await of_last(client, keys[2], 10) == [200] * 10
    node = cluster.nodes[2]
    if end == "killed":
        await node.stop()
    else:
        node.signal(signal.SIGSTOP)
    await until(lambda: lost.statuses.get(503, 0) > 200, 10)
    let_in = lost.statuses[200]
    # As long as it takes the other nodes to say that this one has failed, and longer.
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - began < 2.5:
        for load in kept:
            await load.until_more(50)
    assert lost.statuses[200] == let_in
    if end == "killed":
        await node.start()
    else:
        node.signal(signal.SIGCONT)
    await cluster.until_whole()
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    for load in loads:
        await load.until_more()
        load.enough = True
    await asyncio.gather(*callers)
    assert [set(load.statuses) for load in loads] == [{200}, {200}, {200, 503}]
    assert max(load.longest_s for load in loads) < 2 * TIMEOUT_S + MARGIN_S
    # Who has ended has forgotten all.
    left = 30 if end == "killed" else 20
    assert await of_last(client, keys[2], left + 5) == [200] * left + [429] * 5
    assert await of_last(client, keys[0], 35) == [200] * 30 + [429] * 5


async def test_old_primary_that_goes_on_lets_nobody_in_for_long(
    sentinel: StoreSentinel, origin: Origin, gateway: Start
) -> None:
    idle = await gateway(text(sentinel.url), origin)
    client = await idle.connect()
    let_in = (await of_last(client, 1, 10)).count(200)
    assert let_in == 10
    old = await sentinel.primary()
    [new] = [server for server in sentinel.servers if server is not old]
    old.signal(signal.SIGSTOP)
    await sentinel.until_primary_is(new)
    # A gateway that starts now knows nothing of the old one.
    fresh = await gateway(text(sentinel.url), origin)
    assert fresh.worker.live.limits._server.address == f"127.0.0.1:{new.port}"
    found = await of_last(await fresh.connect(), 1, 40)
    assert set(found) == {200, 429}
    let_in += found.count(200)
    old.signal(signal.SIGCONT)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while idle.worker.live.limits._server.address != f"127.0.0.1:{new.port}":
        assert loop.time() - began < 5.0
        [status] = await of_last(client, 1, 1)
        let_in += status == 200
    await until(lambda: idle.worker.live.limits.trouble == "", 10)
    found = await of_last(client, 1, 10)
    let_in += found.count(200)
    assert found[-1] == 429
    print("let in by both:", let_in)
    assert 30 <= let_in <= 2 * 30
    # Once it follows the new one, all count in the same place.
    await sentinel.until_replicated()
    clients = [await gw.connect() for gw in (idle, fresh) for _ in range(2)]
    some = await asyncio.gather(*(of_last(client, 2, 10) for client in clients))
    flat = [status for one in some for status in one]
    assert (flat.count(200), flat.count(429)) == (30, 10)
