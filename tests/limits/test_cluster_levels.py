"""The usual limits in a cluster, some of them elsewhere: what a refusal costs, and what a move half-way changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gwproxy.limits.lease import Lease
from gwproxy.limits.script import SCRIPT
from gwproxy.state.slots import slot_of
from tests.support.client import Client
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store_process import StoreProcess, until_true
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

FILE = """
[state]
url = "{url}"
timeout = "{timeout}"
on_failure = "deny"
[gateway]
trusted_proxies = ["127.0.0.0/8"]
[limits]
global = {{ requests = {everybody}, window = "600s" }}
[services.origin]
url = "${{ORIGIN}}"
limit = {{ requests = 1000, window = "600s" }}
[services.origin.rate_limits]
default = {{ requests = {own}, window = "600s"{more} }}
[[routes]]
path = "/*"
service = "origin"
"""
CALLER = "192.0.2.1"
OWN = f"gw:{{a:{CALLER}}}:limit:origin.default"
GLOBAL = "gw:{global}:global:"
SERVICE = "gw:{service:origin}:service:origin:"


def text(cluster: StoreCluster, everybody: int, own: int, more: str = "", timeout: str = "5s") -> str:
    return FILE.format(url=cluster.url, everybody=everybody, own=own, more=more, timeout=timeout)


def get(caller: str) -> bytes:
    return f"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {caller}\r\n\r\n".encode()


async def statuses(client: Client, count: int, caller: str = CALLER) -> list[int]:
    return [(await client.ask(get(caller))).status for _ in range(count)]


async def used(cluster: StoreCluster, gws: list[Gateway], key: str, requests: int) -> int:
    """Of a limit of everybody: what nobody can have any more, neither from the store nor from what is held of it."""
    node = cluster.owner(slot_of(key))
    # With a lease a permit is counted for a second longer.
    answer = await node.ask("EVAL", SCRIPT, 1, key, 0, 0, f"e {requests} 601000000 -1")
    leases: list[Lease | None] = [gw.worker.live.limits.leases.get(key) for gw in gws]
    return requests - int(answer[4]) - sum(lease.left for lease in leases if lease is not None)


async def own_left(cluster: StoreCluster, requests: int, burst: int = 0) -> list[int]:
    """What the caller has left of its window, and of its burst."""
    keys, words = [OWN], [f"e {requests} 600000000 -1"]
    if burst:
        keys.append(f"{OWN}:burst")
        words.append(f"b {burst} {600_000_000 * burst // requests} -1")
    answer = await cluster.owner(slot_of(OWN)).ask("EVAL", SCRIPT, len(keys), *keys, 0, 0, " ".join(words))
    return [int(left) for left in answer[4::2]]


async def test_who_is_refused_by_its_own_limit_takes_nothing_of_everybodys(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, everybody=100, own=2), origin)
    client = await gw.connect()
    found = await statuses(client, 10)
    # What is known is not asked for again: without that each refusal takes a permit of a lease, and gives it back.
    for _ in range(10):
        gw.worker.live.limits.refused.clear()
        found += await statuses(client, 1)
    assert found == [200] * 2 + [429] * 18
    assert await used(cluster, [gw], GLOBAL, 100) == 2
    assert await used(cluster, [gw], SERVICE, 1000) == 2
    assert await own_left(cluster, 2) == [0]
    others = [await statuses(client, 2, f"192.0.3.{number}") for number in range(60)]
    passed = [status for some in others for status in some].count(200)
    # All that are left, but for a lease whose second is over: of what was left then a tenth at most.
    assert 98 - 10 <= passed <= 98
    assert len(origin.seen) == 2 + passed


async def test_several_gateways_together_let_in_no_more_than_everybodys_limit(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gws = [await gateway(text(cluster, everybody=100, own=5), origin) for _ in range(3)]

    async def crowd(gw: Gateway, number: int) -> list[int]:
        client = await gw.connect()
        return [(await client.ask(get(f"192.0.2.{number}"))).status for _ in range(12)]

    crowds = [crowd(gw, number) for number in range(16) for gw in gws]
    found = [status for some in await asyncio.gather(*crowds) for status in some]
    passed = found.count(200)
    assert set(found) == {200, 429}
    # The callers' own would be 80 in all: everybody's does not come into it but for what is lost.
    assert passed == len(origin.seen) <= 80
    assert await used(cluster, gws, GLOBAL, 100) >= passed
    late = [await statuses(await gw.connect(), 2, f"192.0.4.{number}") for number in range(20) for gw in gws]
    passed += [status for some in late for status in some].count(200)
    # Each process may hold a tenth of what was left, and lose it.
    assert 100 - 3 * 10 <= passed <= 100
    assert len(origin.seen) == passed


async def test_who_is_refused_by_everybodys_limit_takes_nothing_of_its_own(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, everybody=3, own=10), origin)
    client = await gw.connect()
    found = await statuses(client, 10)
    for _ in range(10):
        gw.worker.live.limits.refused.clear()
        found += await statuses(client, 1)
    assert found == [200] * 3 + [429] * 17
    assert len(origin.seen) == 3
    assert await own_left(cluster, 10) == [7]
    # The service's has a lease, which lost none to those who were refused.
    assert await used(cluster, [gw], SERVICE, 1000) == 3


# -- two keys of a caller, and one of them has been moved


async def errors(node: StoreProcess, word: str) -> int:
    """How often a node has answered with an error that begins so."""
    told = (await node.told("errorstats")).get(f"errorstat_{word}", "count=0")
    return int(told.removeprefix("count="))


async def moving(cluster: StoreCluster) -> tuple[int, StoreProcess, StoreProcess]:
    """A slot with the caller's keys that has begun to move, whence and whither."""
    slot = slot_of(OWN)
    source = cluster.owner(slot)
    target = next(node for node in cluster.nodes if node is not source)
    await cluster.begin_migration(slot, source, target)
    return slot, source, target


async def asked_while_torn(
    cluster: StoreCluster, gw: Gateway, client: Client, first: str, again: int
) -> tuple[list[int], int, StoreProcess]:
    """A request while one of its two keys has been moved, until it has been sent so often: its status, and the slot
    whose keys all have been moved by then, and whither.
    """
    slot, source, target = await moving(cluster)
    assert await statuses(client, 3) == [200] * 3
    await source.ask("MIGRATE", target.host, target.port, "", 0, 2000, "KEYS", first)
    asking = asyncio.create_task(statuses(client, 1))
    while await errors(source, "TRYAGAIN") < again and not asking.done():
        pass
    await cluster.move_keys(slot, source, target)
    return await asking, slot, target


# A call is sent again after 10 ms: the other key may follow at once, or only when many have been moved before it.
@pytest.mark.parametrize("again", [1, 25])
@pytest.mark.parametrize("first", [OWN, f"{OWN}:burst"])
async def test_keys_that_are_in_two_places_for_a_moment_lose_no_count(
    first: str, again: int, cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, 1000, own=30, more=", burst = 20"), origin)
    client = await gw.connect()
    assert await statuses(client, 5) == [200] * 5
    found, slot, target = await asked_while_torn(cluster, gw, client, first, again)
    assert found == [200]
    assert await statuses(client, 3) == [200] * 3
    await cluster.end_migration(slot, target)
    assert await own_left(cluster, 30, 20) == [18, 8]
    assert await statuses(client, 10) == [200] * 8 + [429] * 2
    assert gw.worker.live.limits.failures == 0


async def test_call_that_is_sent_again_to_no_avail_is_counted_nowhere(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, 1000, own=30, more=", burst = 20", timeout="500ms"), origin)
    client = await gw.connect()
    assert await statuses(client, 5) == [200] * 5
    slot, source, target = await moving(cluster)
    await source.ask("MIGRATE", target.host, target.port, "", 0, 2000, "KEYS", OWN)
    assert await statuses(client, 1) == [503]
    await cluster.move_keys(slot, source, target)
    await cluster.end_migration(slot, target)
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert await own_left(cluster, 30, 20) == [25, 15]
    assert await statuses(client, 16) == [200] * 15 + [429]


async def joined(cluster: StoreCluster) -> StoreProcess:
    """A fourth node, that has no slot and that all others know."""
    bus = cluster.free_port()
    node = cluster.add(
        'save ""', "appendonly no", "cluster-enabled yes", f"cluster-port {bus}", "cluster-node-timeout 1000",
        "cluster-require-full-coverage no",
    )  # fmt: skip
    await node.start()
    await node.ask("CLUSTER", "SET-CONFIG-EPOCH", 4)
    for other in cluster.nodes:
        await other.ask("CLUSTER", "MEET", node.host, node.port, bus)

    async def known() -> bool:
        told = [(await each.ask("CLUSTER", "INFO")).decode() for each in cluster.processes]
        return all("cluster_state:ok" in one and "cluster_known_nodes:4" in one for one in told)

    await until_true(known, 10, what="all know four nodes")
    return node


async def test_slot_that_moves_to_a_node_which_had_none_is_followed(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, 1000, own=12), origin)
    client = await gw.connect()
    assert await statuses(client, 4) == [200] * 4
    node, slot = await joined(cluster), slot_of(OWN)
    source = cluster.owner(slot)
    await cluster.begin_migration(slot, source, node)
    await cluster.move_keys(slot, source, node)
    # What tells of the slots does not tell of who has none: only the redirection does.
    found = await statuses(client, 4)
    await cluster.end_migration(slot, node)
    assert found + await statuses(client, 5) == [200] * 8 + [429]
    assert gw.worker.live.limits.failures == 0


# -- nodes that forget the script


async def flush(cluster: StoreCluster) -> None:
    for node in cluster.nodes:
        await node.ask("SCRIPT", "FLUSH")


async def test_script_that_nodes_have_forgotten_is_sent_again(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, 1000, own=12), origin)
    client = await gw.connect()
    found = []
    for _ in range(5):
        found += await statuses(client, 3)
        await flush(cluster)
    assert found == [200] * 12 + [429] * 3
    assert await own_left(cluster, 12) == [0]
    assert gw.worker.live.limits.failures == 0


async def test_script_that_is_forgotten_where_a_slot_has_moved_to_is_sent_there(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, 1000, own=12), origin)
    client = await gw.connect()
    assert await statuses(client, 4) == [200] * 4
    slot, _, target = await moving(cluster)
    await cluster.move_keys(slot, cluster.owner(slot), target)
    await cluster.end_migration(slot, target)
    await target.ask("SCRIPT", "FLUSH")
    assert await statuses(client, 9) == [200] * 8 + [429]
    assert gw.worker.live.limits.failures == 0


async def test_script_that_is_forgotten_where_a_slot_is_moving_to_is_sent_there(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster, 1000, own=12), origin)
    client = await gw.connect()
    assert await statuses(client, 4) == [200] * 4
    slot, source, target = await moving(cluster)
    await cluster.move_keys(slot, source, target)
    # From here each call goes to who had the slot, is told to ask the other one, and that does not know the script.
    found = []
    for _ in range(3):
        await target.ask("SCRIPT", "FLUSH")
        found += await statuses(client, 2)
    await cluster.end_migration(slot, target)
    assert found + await statuses(client, 3) == [200] * 8 + [429]
    assert gw.worker.live.limits.failures == 0
