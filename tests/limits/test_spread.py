"""Limits in several places: a cluster whose slots move and whose nodes end, and a primary that sentinels replace."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwproxy.state.slots import slot_of
from tests.support.client import Client
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

FILE = """
[state]
url = "{url}"
timeout = "{timeout}"
on_failure = "{policy}"
[limits]
{everybody}
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
default = {{ requests = {requests}, window = "600s", by = "header:X-Key" }}
[[routes]]
path = "/*"
service = "origin"
"""


def text(url: str, requests: int = 100, everybody: str = "", timeout: str = "5s", policy: str = "deny") -> str:
    return FILE.format(url=url, requests=requests, everybody=everybody, timeout=timeout, policy=policy)


def get(key: str) -> bytes:
    return f"GET /a HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n".encode()


async def statuses(client: Client, key: str, count: int) -> list[int]:
    return [(await client.ask(get(key))).status for _ in range(count)]


async def through(gws: list[Gateway], key: str, clients: int, each: int) -> list[int]:
    made = [await gw.connect() for gw in gws for _ in range(clients)]
    some = await asyncio.gather(*(statuses(client, key, each) for client in made))
    return [status for one in some for status in one]


def limit_key(caller: str) -> str:
    return f"gw:{{h:x-key:{caller}}}:limit:origin.default"


def slot_holder(cluster: StoreCluster, caller: str) -> Any:
    return cluster.owner(slot_of(limit_key(caller)))


def caller_at(cluster: StoreCluster, node: Any) -> str:
    return next(name for name in map(str, itertools.count()) if slot_holder(cluster, name) is node)


async def test_each_callers_limit_is_exact_whatever_node_has_it(cluster: StoreCluster, origin: Origin, gateway: Start):
    gws = [await gateway(text(cluster.url, requests=40), origin) for _ in range(2)]
    for node in cluster.nodes:
        found = await through(gws, caller_at(cluster, node), 4, 10)
        # A limit that is not in the caller's own place is a lease of one: permits that a refusal gave back may be held.
        assert (found.count(200), found.count(429)) == (40, 40)


async def test_limit_of_everybody_is_never_over_and_little_is_lost(
    cluster: StoreCluster, origin: Origin, gateway: Start
):
    everybody = 'global = { requests = 300, window = "600s" }'
    gws = [await gateway(text(cluster.url, 1000, everybody), origin) for _ in range(2)]
    found = await through(gws, "a", 8, 40)
    assert set(found) == {200, 429}
    assert found.count(200) == len(origin.seen)
    # Two processes may hold what they do not need: a tenth of what was left, at most.
    assert 300 - 2 * 30 <= found.count(200) <= 300


async def test_who_is_refused_spends_nothing_elsewhere(cluster: StoreCluster, origin: Origin, gateway: Start):
    gw = await gateway(text(cluster.url, 10, 'global = { requests = 3, window = "600s" }'), origin)
    client = await gw.connect()
    assert await statuses(client, "a", 8) == [200] * 3 + [429] * 5
    [known] = await gw.worker.live.limits.known("h:x-key:a")
    assert (known.left, known.requests) == (7 - 1, 10) or (known.left, known.requests) == (7, 10)


async def test_slot_that_moves_loses_no_request_and_no_count(cluster: StoreCluster, origin: Origin, gateway: Start):
    gw = await gateway(text(cluster.url, requests=60), origin)
    caller = caller_at(cluster, cluster.nodes[0])
    slot, source, target = slot_of(limit_key(caller)), cluster.nodes[0], cluster.nodes[1]
    client = await gw.connect()
    found = await statuses(client, caller, 10)
    await cluster.begin_migration(slot, source, target)
    found += await statuses(client, caller, 10)
    await cluster.move_keys(slot, source, target)
    found += await statuses(client, caller, 10)
    await cluster.end_migration(slot, target)
    found += await statuses(client, caller, 40)
    assert found == [200] * 60 + [429] * 10
    assert gw.worker.live.limits.failures == 0


async def test_slots_that_move_under_load(cluster: StoreCluster, origin: Origin, gateway: Start):
    gws = [await gateway(text(cluster.url, requests=200), origin) for _ in range(2)]
    caller = caller_at(cluster, cluster.nodes[0])
    slot = slot_of(limit_key(caller))

    async def move() -> None:
        for to in (1, 2, 0):
            await cluster.migrate(slot, cluster.nodes[to])

    found, _ = await asyncio.gather(through(gws, caller, 4, 60), move())
    assert (found.count(200), found.count(429)) == (200, 280)


async def test_node_that_ends_concerns_only_whose_limits_it_has(cluster: StoreCluster, origin: Origin, gateway: Start):
    gw = await gateway(text(cluster.url, requests=5), origin)
    client = await gw.connect()
    lost, kept = caller_at(cluster, cluster.nodes[2]), caller_at(cluster, cluster.nodes[0])
    assert await statuses(client, lost, 2) == [200, 200]
    await cluster.nodes[2].stop()
    await until(lambda: gw.worker.live.limits.trouble != "")
    assert await statuses(client, lost, 3) == [503] * 3
    assert await statuses(client, kept, 6) == [200] * 5 + [429]
    await cluster.nodes[2].start()
    await cluster.until_whole()
    await until(lambda: gw.worker.live.limits.trouble == "")
    # What it had is gone with it.
    assert await statuses(client, lost, 6) == [200] * 5 + [429]


async def test_cluster_that_is_not_there_at_the_start_is_found_later(
    cluster: StoreCluster, origin: Origin, gateway: Start
):
    for node in cluster.nodes:
        await node.stop()
    gw = await gateway(text(cluster.url, requests=2), origin)
    client = await gw.connect()
    assert await statuses(client, "a", 2) == [503] * 2
    for node in cluster.nodes:
        await node.start()
    await cluster.until_whole()
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert await statuses(client, "a", 3) == [200, 200, 429]


@pytest.mark.parametrize("end", ["stop", "freeze", "ask"])
async def test_failover_is_followed(end: str, sentinel: StoreSentinel, origin: Origin, gateway: Start):
    gw = await gateway(text(sentinel.url, requests=20, timeout="200ms", policy="allow"), origin)
    client = await gw.connect()
    old = await sentinel.primary()
    [other] = [server for server in sentinel.servers if server is not old]
    assert await statuses(client, "a", 5) == [200] * 5
    await sentinel.until_replicated()
    if end == "ask":
        await sentinel.failover()
    elif end == "freeze":
        old.signal(signal.SIGSTOP)
    else:
        await old.stop()
    await sentinel.until_primary_is(other)
    await until(lambda: gw.worker.live.limits._server.address == f"127.0.0.1:{other.port}", 10)
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    # What the old one had counted and sent on is known to the new one.
    assert await statuses(client, "a", 16) == [200] * 15 + [429]
