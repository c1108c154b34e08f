"""The harness itself: a cluster and sentinels do what tests want to see of them, and nothing of them is left."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import hiredis
import pytest

from tests.support.cluster import StoreCluster
from tests.support.command import ROOT
from tests.support.leaks import Level
from tests.support.pids import alive, pids_of
from tests.support.sentinel import StoreSentinel
from tests.support.store_process import StoreProcess, StoreProcesses, started
from tests.support.until import until


async def refused(node: StoreProcess, *command: str) -> list[str]:
    with pytest.raises(hiredis.ReplyError) as error:
        await node.ask(*command)
    return str(error.value).split()


async def test_key_is_with_its_owner_and_other_nodes_say_moved(level: Level):
    async with started(StoreCluster) as cluster:
        assert len({(await cluster.slot_of(key)) // 5462 for key in "abcdef"}) == 3
        for key in "abcdef":
            slot = await cluster.slot_of(key)
            owner = cluster.owner(slot)
            assert await owner.ask("SET", key, "1") == b"OK"
            assert await owner.ask("GET", key) == b"1"
            for other in cluster.nodes:
                if other is not owner:
                    expected = ["MOVED", str(slot), f"127.0.0.1:{owner.port}"]
                    assert await refused(other, "GET", key) == expected
        assert cluster.url.endswith(f",127.0.0.1:{cluster.nodes[2].port}")


async def test_slot_that_moves_answers_ask_until_all_nodes_know_its_new_owner(level: Level):
    async with started(StoreCluster) as cluster:
        slot = await cluster.slot_of("{a}1")
        source = cluster.owner(slot)
        to, third = (node for node in cluster.nodes if node is not source)
        await source.ask("SET", "{a}1", "1")
        await cluster.begin_migration(slot, source, to)
        assert await source.ask("GET", "{a}1") == b"1"
        assert await refused(source, "SET", "{a}2", "2") == ["ASK", str(slot), f"127.0.0.1:{to.port}"]
        assert (await refused(source, "MGET", "{a}1", "{a}2"))[0] == "TRYAGAIN"
        await cluster.move_keys(slot, source, to)
        assert (await refused(source, "GET", "{a}1"))[0] == "ASK"
        assert (await refused(to, "GET", "{a}1"))[0] == "MOVED"
        assert cluster.owner(slot) is source
        await cluster.end_migration(slot, to)
        assert cluster.owner(slot) is to
        assert await to.ask("GET", "{a}1") == b"1"
        for other in (source, third):
            assert await refused(other, "GET", "{a}1") == ["MOVED", str(slot), f"127.0.0.1:{to.port}"]
        await cluster.migrate(slot, third)
        assert (cluster.owner(slot), await third.ask("GET", "{a}1")) == (third, b"1")


async def test_node_that_ended_comes_back_where_it_was_and_the_others_went_on(level: Level):
    async with started(StoreCluster) as cluster:
        slots = {cluster.owner(await cluster.slot_of(key)): key for key in "abcdef"}
        gone, key = cluster.nodes[0], slots[cluster.nodes[0]]
        await gone.stop()
        with pytest.raises(OSError, match="refused|Connect call failed"):
            await gone.ask("GET", key)
        assert cluster.owner(await cluster.slot_of(key)) is gone
        for node in cluster.nodes[1:]:
            assert await node.ask("SET", slots[node], "1") == b"OK"
        await gone.start()
        await cluster.until_whole()
        assert await gone.ask("SET", key, "1") == b"OK"


async def test_failover_makes_the_replica_primary_and_the_old_primary_a_replica(level: Level):
    async with started(StoreSentinel) as sentinel:
        old, new = sentinel.servers
        assert await sentinel.primary() is old
        await old.ask("SET", "a", "1")
        await sentinel.until_replicated()
        assert (await refused(new, "SET", "a", "2"))[0] == "READONLY"
        await sentinel.failover()
        await sentinel.until_primary_is(new)
        await sentinel.until_replicated()
        assert [await each.ask("GET", "a") for each in (old, new)] == [b"1", b"1"]
        assert (await old.told("replication"))["role"] == "slave"


@pytest.mark.parametrize("fault", ["killed", "stands still"])
async def test_primary_that_fails_is_replaced_within_five_seconds_and_comes_back_as_replica(fault: str, level: Level):
    async with started(StoreSentinel) as sentinel:
        old, new = sentinel.servers
        if fault == "killed":
            await old.stop()
        else:
            old.signal(signal.SIGSTOP)
        await sentinel.until_primary_is(new, within_s=5.0)
        assert await new.ask("SET", "a", "1") == b"OK"
        if fault == "killed":
            await old.start()
        else:
            old.signal(signal.SIGCONT)
        await sentinel.until_replicated()
        assert await old.ask("GET", "a") == b"1"


async def test_two_sentinels_of_three_suffice(level: Level):
    async with started(StoreSentinel) as sentinel:
        await sentinel.sentinels[0].stop()
        await sentinel.servers[0].stop()
        # Each of two may vote for itself, and then both wait for 4 s.
        await sentinel.until_primary_is(sentinel.servers[1])
        await sentinel.sentinels[0].start()
        await sentinel.until_primary_is(sentinel.servers[1])


async def test_start_that_fails_half_way_leaves_nothing(level: Level, monkeypatch: pytest.MonkeyPatch):
    failed: list[StoreCluster] = []
    pids: list[int] = []

    async def fail(self: StoreCluster) -> None:
        failed.append(self)
        pids.extend(pids_of(self))
        raise RuntimeError("half-way")

    monkeypatch.setattr(StoreCluster, "until_whole", fail)
    with pytest.raises(RuntimeError, match="half-way"):
        async with started(StoreCluster):
            pass
    assert (len(pids), alive(pids), pids_of(failed[0])) == (3, [], [])


async def test_server_that_cannot_start_says_why(level: Level, tmp_path: Path):
    setup = StoreProcesses(tmp_path)
    try:
        with pytest.raises(AssertionError, match="no-such-thing"):
            await setup.add("no-such-thing yes").start()
        taken = setup.add()
        await taken.start()
        with pytest.raises(AssertionError, match=r"Address already in use|in use"):
            await setup.add(f"port {taken.port}").start()
    finally:
        await setup.stop()


STARTS = """
import asyncio, sys
from pathlib import Path
from tests.support.store_process import StoreProcesses

async def main():
    setup = StoreProcesses(Path(sys.argv[1]))
    for _ in range(2):
        await setup.add().start()
    print(*(each.process.pid for each in setup.processes), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_servers_end_with_who_started_them(level: Level, tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS, str(tmp_path), stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        pids = [int(word) for word in (await process.stdout.readline()).split()]
        assert (len(pids), alive(pids)) == (2, pids)
    finally:
        process.kill()
        await process.communicate()
    await until(lambda: alive(pids) == [])
