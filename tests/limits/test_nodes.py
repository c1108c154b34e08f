"""The map of a cluster: looked at once for all who need it, and who is not in it any more fails nobody."""

from __future__ import annotations

import asyncio
import gc
import signal
from dataclasses import replace
from typing import Any

from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.asking import Asking
from gwproxy.limits.call import Call
from gwproxy.limits.errand import Timer
from gwproxy.limits.redis import RedisStore
from gwproxy.limits.spec import LimitSpec
from gwproxy.state.address import Address, place_of
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support.cluster import StoreCluster
from tests.support.store import StoreServer
from tests.support.until import until

SPEC = LimitSpec("k", "n", "exact", 10, 600_000_000, "principal", told=True)
HEAD = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)


async def connections(cluster: StoreCluster) -> int:
    found = 0
    for node in cluster.nodes:
        lines = (await node.ask("CLIENT", "LIST", "TYPE", "normal")).decode().splitlines()
        # All but who asks here.
        found += sum("cmd=client" not in line for line in lines)
    return found


async def test_many_who_look_at_once_make_one_connection_to_each_node(cluster: StoreCluster):
    store = RedisStore(place_of(cluster.url), prefix="gw", timeout_s=5.0)
    await store.start()
    nodes = store._nodes
    assert nodes is not None
    before = await connections(cluster)
    # As where a failover has put all slots at addresses that were not in the map.
    for server in nodes._of.values():
        server.leave()
    nodes._of = {}
    await asyncio.gather(*(nodes._learn() for _ in range(40)))
    found = len(nodes.servers), await connections(cluster)
    await store.close()
    assert found == (3, before)
    # Whether a node takes writes is asked with a key that it has.
    assert all(server.probe_key for server in nodes.servers)


async def test_server_that_has_been_left_is_not_one_that_fails(store: StoreServer):
    limits = RedisStore(Address(path=str(store.path)), prefix="gw", timeout_s=5.0)
    await limits.start()
    plan = limits.plan([SPEC], 64)
    limits.settle_in()
    store.signal(signal.SIGSTOP)
    try:
        pending = plan.check(Exchange(HEAD, Sender("10.0.0.1"), 0.0))
        server = limits._server
        await until(lambda: server._link is not None and server._link.waiting > 0)
        server.leave()
        await until(lambda: getattr(pending, "ready", False))
    finally:
        store.signal(signal.SIGCONT)
    assert (limits.failures, limits._failing) == (0, set())
    await limits.close()


async def test_node_that_was_to_come_and_never_came_is_let_go(cluster: StoreCluster):
    store = RedisStore(place_of(cluster.url), prefix="gw", timeout_s=5.0)
    await store.start()
    nodes = store._nodes
    assert nodes is not None
    for port in range(1, 60):
        nodes._named(f"127.0.0.1:{port}", new=True)
    assert len(nodes._coming) == 32
    await until(lambda: len(store._failing) == 32)
    nodes._named_at = dict.fromkeys(nodes._named_at, 0.0)
    await nodes._learn()
    assert (nodes._coming, store._failing) == ({}, set())
    await store.close()


async def answered(plan: Any, number: int) -> None:
    pending = plan.check(Exchange(HEAD, Sender(f"10.0.0.{number}"), 0.0))
    await until(lambda: getattr(pending, "ready", True))


async def test_check_leaves_nothing_for_the_collector(store: StoreServer, cluster: StoreCluster):
    everybody = replace(SPEC, key="global", by="", told=False, requests=1000)
    for url in (store.url, cluster.url):
        limits = RedisStore(place_of(url), prefix="gw", timeout_s=5.0)
        await limits.start()
        plan = limits.plan([everybody, SPEC], 64)
        limits.settle_in()
        gc.collect()
        gc.disable()
        try:
            for number in range(30):
                # Some of them are refused.
                await answered(plan, number % 2)
            left = [each for each in gc.get_objects() if isinstance(each, (Call, Timer, Asking))]
        finally:
            gc.enable()
        await limits.close()
        assert left == [], url
