"""A set-up that was touched, in whatever way, is not given to the next test: it is ended, and another is made."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gwproxy.state.link import connected
from tests.support.cluster import StoreCluster
from tests.support.kept import Keeper
from tests.support.leaks import Level
from tests.support.pair import Pair
from tests.support.pids import alive, pids_of
from tests.support.sentinel import StoreSentinel
from tests.support.until import until

Touch = Callable[[Pair], Awaitable[None]]


async def killed(made: Pair) -> None:
    await made.processes[0].stop()


async def killed_and_started_again(made: Pair) -> None:
    await made.processes[1].stop()
    await made.processes[1].start()


async def killed_by_somebody(made: Pair) -> None:
    os.kill(pids_of(made)[0], signal.SIGKILL)
    await until(lambda: not made.processes[0].running)


async def killed_by_somebody_and_started_again(made: Pair) -> None:
    await killed_by_somebody(made)
    await made.processes[0].start()


async def frozen_and_continued(made: Pair) -> None:
    made.processes[1].signal(signal.SIGSTOP)
    made.processes[1].signal(signal.SIGCONT)


async def one_joined(made: Pair) -> None:
    await made.add('save ""').start()


async def other_address(made: Pair) -> None:
    made.processes[0].address = replace(made.processes[0].address, database=1)


async def file_written(made: Pair) -> None:
    (made.processes[0].folder / "own").touch()


def asked(*command: str, at: int = 0) -> Touch:
    async def ask(made: Pair) -> None:
        await made.processes[at].ask(*command)

    return ask


def one_after_another(*touches: Touch) -> Touch:
    async def touch(made: Pair) -> None:
        for each in touches:
            await each(made)

    return touch


TOUCHES: dict[str, Touch] = {
    "killed": killed,
    "killed and started again": killed_and_started_again,
    "killed by somebody": killed_by_somebody,
    "killed by somebody and started again": killed_by_somebody_and_started_again,
    "frozen and continued": frozen_and_continued,
    "one joined": one_joined,
    "other address": other_address,
    "file written": file_written,
    "other configuration": asked("CONFIG", "SET", "maxmemory", "100mb", at=1),
    "configuration and back": one_after_another(
        asked("CONFIG", "SET", "maxmemory", "100mb"), asked("CONFIG", "SET", "maxmemory", "0")
    ),
    # Counts nothing from before, and the comparison is left.
    "configuration, and counts set back": one_after_another(
        asked("CONFIG", "SET", "maxmemory", "100mb"), asked("CONFIG", "RESETSTAT")
    ),
    "users, and counts set back": one_after_another(
        asked("ACL", "SETUSER", "late", "on", ">soon", "~*", "+@all"), asked("CONFIG", "RESETSTAT")
    ),
    "primary, and counts set back": one_after_another(
        asked("REPLICAOF", "127.0.0.1", "1"), asked("CONFIG", "RESETSTAT")
    ),
    "primary and back, and counts set back": one_after_another(
        asked("REPLICAOF", "127.0.0.1", "1"), asked("REPLICAOF", "NO", "ONE"), asked("CONFIG", "RESETSTAT")
    ),
    "other user": asked("ACL", "SETUSER", "default", "resetkeys", "~a*", at=1),
    "password": asked("CONFIG", "SET", "requirepass", "a"),
    "pause": asked("CLIENT", "PAUSE", "60000", "WRITE"),
    "file of configuration": asked("CONFIG", "REWRITE"),
}  # fmt: skip


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES.keys())
async def test_set_up_that_was_touched_is_not_given_again(touch: Touch, own: Keeper, level: Level):
    async with own.given(Pair, level) as made:
        pids = pids_of(made)
        await touch(made)
    async with own.given(Pair, level) as other:
        assert other is not made
        assert not {*pids} & {*pids_of(other)}
        assert alive(pids) == []
        assert await other.processes[0].ask("SET", "a", "1") == b"OK"


async def test_set_up_to_which_somebody_is_still_connected_is_not_given_again(own: Keeper, level: Level):
    async with own.given(Pair, level) as made:
        link = await connected(made.processes[1].address, lambda _: None)
    async with own.given(Pair, level) as other:
        assert other is not made
    await until(lambda: not link.open)


async def test_cluster_of_which_a_slot_began_to_move_is_not_given_again(
    own: Keeper, level: Level, monkeypatch: pytest.MonkeyPatch
):
    async with own.given(StoreCluster, level) as made:
        pids, slot = pids_of(made), await made.slot_of("a")
        source, to = made.owner(slot), made.owner((slot + 8000) % 16384)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", await made.name(to))
        # Nobody knows of it but who compares.
        await source.ask("CONFIG", "RESETSTAT")
    assert alive(pids) == pids

    async def start(self: StoreCluster) -> None:
        raise RuntimeError("a new one")

    monkeypatch.setattr(StoreCluster, "start", start)
    with pytest.raises(RuntimeError, match="a new one"):
        async with own.given(StoreCluster, level):
            pass
    assert alive(pids) == []


@pytest.mark.parametrize("what", ["failover", "other periods", "a sentinel forgets"])
async def test_sentinels_that_were_touched_are_not_given_again(what: str, own: Keeper, level: Level):
    async with own.given(StoreSentinel, level) as made:
        pids = pids_of(made)
        words = {
            "failover": ["FAILOVER", "main"],
            "other periods": ["DEBUG", "PING-PERIOD", "260"],
            "a sentinel forgets": ["REMOVE", "main"],
        }[what]
        # Not by a method, and sentinels keep no count: who compares knows.
        await made.sentinels[0].ask("SENTINEL", *words)
        if what == "failover":
            await made.until_primary_is(made.servers[1])
    assert alive(pids) == pids
    async with own.given(StoreSentinel, level) as other:
        assert (alive(pids), await other.primary()) == ([], other.servers[0])
