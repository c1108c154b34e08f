"""A set-up is given to the next test only if it can't be told from a new one."""

from __future__ import annotations

import hashlib
import socket
from typing import Any

import pytest

from tests.support.cluster import StoreCluster
from tests.support.kept import Keeper
from tests.support.leaks import Level, open_descriptors
from tests.support.pair import Pair
from tests.support.pids import alive, pids_of
from tests.support.sentinel import StoreSentinel
from tests.support.store_process import StoreProcess


async def looks(process: StoreProcess) -> dict[str, Any]:
    """What a test may see of one server that has been used."""
    told = await process.told("commandstats")
    return {
        "told": {name: value.partition(",")[0] for name, value in told.items()},
        "errors": await process.told("errorstats"),
        "hits": (await process.told("stats"))["keyspace_hits"],
        "keys": [name for name in await process.told("keyspace") if name.startswith("db")],
        "scripts": await process.ask("SCRIPT", "EXISTS", SCRIPT),
        "functions": await process.ask("FUNCTION", "LIST"),
        "refused": await process.ask("ACL", "LOG"),
        "files": sorted(path.name for path in process.folder.iterdir()),
    }


async def logged(process: StoreProcess) -> tuple[Any, str]:
    slow = await process.ask("SLOWLOG", "GET", 100)
    return [entry[3] for entry in slow], (process.folder / "log").read_text()


LOGGING = "redis.log(redis.LOG_WARNING, 'seen') return 1"
SCRIPT = hashlib.sha1(LOGGING.encode()).hexdigest()


async def use(process: StoreProcess, key: str) -> None:
    """As a test may, and leave it intact."""
    assert await process.ask("SET", key, "1", "PX", "600000") == b"OK"
    assert await process.ask("GET", key) == b"1"
    assert await process.ask("EVAL", LOGGING, 0) == 1
    with pytest.raises(Exception, match="WRONGPASS"):
        await process.ask("AUTH", "nobody", "wrong")
    code = "#!lua name=own\nredis.register_function('one', function() return 1 end)"
    assert await process.ask("FUNCTION", "LOAD", code) == b"own"


async def test_intact_set_up_is_given_again_and_cannot_be_told_from_a_new_one(own: Keeper, level: Level):
    async with own.given(Pair, level) as made:
        pids = pids_of(made)
        new = [(await logged(each), await looks(each)) for each in made.processes]
        for each in made.processes:
            await use(each, "a")
        used = [(await logged(each), await looks(each)) for each in made.processes]
        assert all(one != other for one, other in zip(new, used, strict=True))
    for _ in range(2):
        async with own.given(Pair, level) as again:
            assert (again, pids_of(again)) == (made, pids)
            assert [(await logged(each), await looks(each)) for each in again.processes] == new
            await use(again.processes[1], "b")


async def test_what_is_kept_is_no_leak_and_hides_none(own: Keeper, level: Level):
    for touch in (False, True, False):
        async with own.given(Pair, level) as made:
            assert (made.sockets, level.surplus()) == (2, [])
            if touch:
                await made.processes[0].stop()
        assert level.surplus() == []
        with socket.socket():
            assert level.surplus() == ["descriptors: 1 more of socket"]


async def test_start_that_fails_leaves_nothing(own: Keeper, level: Level, monkeypatch: pytest.MonkeyPatch):
    failed: list[Pair] = []

    async def fail(self: Pair) -> None:
        await self.processes[0].start()
        failed.append(self)
        raise RuntimeError("half-way")

    with monkeypatch.context() as patch:
        patch.setattr(Pair, "start", fail)
        with pytest.raises(RuntimeError, match="half-way"):
            async with own.given(Pair, level):
                pass
    assert ([each.running for each in failed[0].processes], failed[0].sockets) == ([False, False], 0)
    assert not failed[0].processes[0].folder.exists()
    async with own.given(Pair, level) as made:
        assert made is not failed[0]


async def test_end_of_all_tests_ends_what_is_kept(own: Keeper, level: Level):
    async with own.given(Pair, level) as made:
        pids = pids_of(made)
    assert alive(pids) == pids
    before = open_descriptors()
    own.end()
    assert (alive(pids), before - open_descriptors()) == ([], {"socket": 2})
    assert not made.processes[0].folder.parent.exists()
    level.outlived_by(-2)


async def test_intact_cluster_is_given_again_and_is_empty(own: Keeper, level: Level):
    async with own.given(StoreCluster, level) as made:
        pids, new = pids_of(made), [await looks(each) for each in made.nodes]
        for key in await one_of_each(made):
            await use(made.owner(await made.slot_of(key)), key)
    async with own.given(StoreCluster, level) as again:
        assert (again, pids_of(again)) == (made, pids)
        assert [await looks(each) for each in again.nodes] == new
        for key in await one_of_each(again):
            assert await again.owner(await again.slot_of(key)).ask("SET", key, "1", "NX") == b"OK"
        # Whoever says by a method that he touches it is believed, and nothing has to be compared.
        slot = await again.slot_of("a")
        await again.begin_migration(slot, again.owner(slot), again.owner((slot + 8000) % 16384))
    assert alive(pids) == []


async def one_of_each(cluster: StoreCluster) -> list[str]:
    """A key of each node."""
    return list({cluster.owner(await cluster.slot_of(key)): key for key in "abcdef"}.values())


async def test_intact_sentinels_are_given_again_and_their_servers_are_empty(own: Keeper, level: Level):
    async with own.given(StoreSentinel, level) as made:
        pids = pids_of(made)
        # What the replica has not heard of yet isn't forgotten.
        await use(await made.primary(), "a")
    async with own.given(StoreSentinel, level) as again:
        assert (again, pids_of(again), await again.primary()) == (made, pids, made.servers[0])
        await again.until_replicated()
        for each in again.servers:
            assert [name for name in await each.told("keyspace") if name.startswith("db")] == []
            assert await each.ask("FUNCTION", "LIST") == []
            assert not {"cmdstat_set", "cmdstat_flushall"} & {*await each.told("commandstats")}
        await use(await again.primary(), "a")
        await again.until_replicated()
        assert await again.servers[1].ask("GET", "a") == b"1"
        await again.failover()
    assert alive(pids) == []
