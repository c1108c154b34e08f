"""Keys of a store whose servers change: slots that move, nodes that end, and primaries that are replaced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gwproxy.state.records import key_of
from tests.auth.test_stored_keys import CONFIG, ask
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.recorded import name_of, put_key
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel

Start = Callable[..., Awaitable[Gateway]]

KEYS = [f"gwk_{number}" for number in range(12)]


async def slot_of(cluster: StoreCluster, key: str) -> int:
    return await cluster.slot_of(key_of("gw", "key:partners", name_of(key)))


async def test_keys_are_found_while_their_slot_moves(cluster: StoreCluster, gateway: Start, origin: Origin):
    for key in KEYS[:3]:
        await put_key(cluster, key, id=key)
    gw = await gateway(CONFIG, origin=origin, store=cluster.url, cache="1ms")
    for key in KEYS[:3]:
        slot = await slot_of(cluster, key)
        source = cluster.owner(slot)
        to = next(node for node in cluster.nodes if node is not source)
        found = [await ask(gw, key)]
        await cluster.begin_migration(slot, source, to)
        found.append(await ask(gw, key))
        await cluster.move_keys(slot, source, to)
        found.append(await ask(gw, key))
        await cluster.end_migration(slot, to)
        found.append(await ask(gw, key))
        assert [answer.status for answer in found] == [200] * 4
    assert gw.worker.live.limits.failures == 0


async def test_a_node_that_ends_concerns_the_keys_that_it_has(cluster: StoreCluster, gateway: Start, origin: Origin):
    for key in KEYS:
        await put_key(cluster, key, id=key)
    gw = await gateway(CONFIG, origin=origin, store=cluster.url, timeout="500ms")
    gone = cluster.owner(await slot_of(cluster, KEYS[0]))
    lost = {key for key in KEYS if cluster.owner(await slot_of(cluster, key)) is gone}
    assert 0 < len(lost) < len(KEYS)
    await gone.stop()
    assert {key for key in KEYS if (await ask(gw, key)).status == 503} == lost
    assert {key for key in KEYS if (await ask(gw, key)).status == 200} == set(KEYS) - lost


async def test_keys_are_found_at_the_new_primary(sentinel: StoreSentinel, gateway: Start, origin: Origin):
    for key in KEYS:
        await put_key(sentinel, key, id=key)
    await sentinel.until_replicated()
    gw = await gateway(CONFIG, origin=origin, store=sentinel.url, timeout="500ms")
    assert (await ask(gw, KEYS[0])).status == 200
    old = await sentinel.primary()
    await old.stop()
    # Who is known goes on; others are told to come again, until they are let in.
    assert (await ask(gw, KEYS[0])).status == 200
    statuses = [503]
    while statuses[-1] == 503:
        statuses.append((await ask(gw, KEYS[1])).status)
    assert statuses[-1] == 200
    assert {(await ask(gw, key)).status for key in KEYS} == {200}
