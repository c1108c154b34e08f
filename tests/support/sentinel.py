"""A Redis or Valkey primary, its replica, and three sentinels that watch over them."""

from __future__ import annotations

from pathlib import Path

from tests.support.store_process import StoreProcess, StoreProcesses, first_running, until_true

NAME = "main"
START_S = 10.0
FAILOVER_S = 10.0

DOWN_AFTER_MS = 500
PERIODS = {"PING-PERIOD": 250, "INFO-PERIOD": 500, "ASK-PERIOD": 100, "PUBLISH-PERIOD": 500, "TILT-PERIOD": 500}
"""What sentinels wait for, in milliseconds: their own 1, 10, 1, 2 and 30 s are for hours of peace.

They hang together. A sentinel connects again only a PING-PERIOD after it last did, and ticks every 100 ms: where the
two come to DOWN_AFTER_MS, a primary is down as soon as it has become one, and they change without end. It promotes
nobody whose INFO is older than five PING-PERIODs, and asks for it once a second when the primary is down. Who calls
himself primary, and isn't in a sentinel's eyes, is made a replica after four PUBLISH-PERIODs: also a new primary, if
by then the others haven't heard of him from the sentinel that made him one, which may see it a second later itself.
"""
INTRODUCTION_MS = 100
"""PUBLISH-PERIOD until they know each other."""


class Sentinel(StoreProcess):
    """One sentinel."""

    async def start(self, *options: str) -> None:
        await super().start("--sentinel", *options)
        await self.wait_for(PERIODS)

    async def wait_for(self, periods: dict[str, int]) -> None:
        """Sets what it waits for, which it doesn't keep in its file."""
        self.touched = True
        await self.ask("SENTINEL", "DEBUG", *(word for pair in periods.items() for word in pair))


class StoreSentinel(StoreProcesses):
    """Two servers and three sentinels, of which two must agree. `servers[0]` is the primary at the start."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.servers: list[StoreProcess] = []
        self.sentinels: list[Sentinel] = []

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"{one.host}:{one.port}" for one in self.sentinels) + f"/{NAME}"

    async def start(self) -> None:
        """Returns once the replica has caught up, and all sentinels know it and each other."""
        # Five seconds is what a primary would wait for other replicas.
        plain = ('save ""', "appendonly no", "repl-diskless-sync-delay 0")
        primary = self.add(*plain)
        replica = self.add(*plain, f"replicaof {primary.host} {primary.port}")
        self.servers += primary, replica
        for _ in range(3):
            sentinel = self.add_a(
                Sentinel,
                f"sentinel monitor {NAME} {primary.host} {primary.port} 2",
                f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}", f"sentinel failover-timeout {NAME} 2000",
                f"sentinel parallel-syncs {NAME} 1",
            )  # fmt: skip
            self.sentinels.append(sentinel)
        await primary.start()
        await replica.start()
        await self.until_replicated()
        for each in self.sentinels:
            await each.start()
            await each.wait_for({"PUBLISH-PERIOD": INTRODUCTION_MS})
        await until_true(self._all_known, START_S, every_s=0.02, what="sentinels that know all")
        for each in self.sentinels:
            await each.wait_for(PERIODS)

    async def _all_known(self) -> bool:
        expected = {"flags": "master", "num-slaves": "1", "num-other-sentinels": "2"}
        for sentinel in self.sentinels:
            if not expected.items() <= pairs(await sentinel.ask("SENTINEL", "MASTER", NAME)).items():
                return False
            if [pairs(one)["flags"] for one in await sentinel.ask("SENTINEL", "REPLICAS", NAME)] != ["slave"]:
                return False
            # Heard of by the primary, and not spoken to so far: disconnected.
            others = await sentinel.ask("SENTINEL", "SENTINELS", NAME)
            if [pairs(one)["flags"] for one in others] != ["sentinel", "sentinel"]:
                return False
        return True

    async def primary(self, sentinel: StoreProcess | None = None) -> StoreProcess:
        """Who it is in the words of a sentinel: `sentinel`, else the first that runs."""
        asked = sentinel or first_running(self.sentinels)
        _, port = await asked.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(server for server in self.servers if server.port == int(port))

    async def failover(self) -> None:
        """Tells a sentinel to make the replica the primary; returns before it has."""
        self.touched = True
        await first_running(self.sentinels).ask("SENTINEL", "FAILOVER", NAME)

    async def until_primary_is(self, server: StoreProcess, within_s: float = FAILOVER_S) -> float:
        """Waits until `server` says so itself, and all sentinels that run; returns the seconds that it took."""

        async def settled() -> bool:
            found = [await self.primary(each) for each in self.sentinels if each.running]
            return found.count(server) == len(found) and (await server.told("replication"))["role"] == "master"

        return await until_true(settled, within_s, what=f"{server!r} is the primary")

    async def until_replicated(self, within_s: float = FAILOVER_S) -> float:
        """Waits until one server has caught up with the other; returns the seconds that it took."""

        async def caught_up() -> bool:
            one, other = sorted([await each.told("replication") for each in self.servers], key=lambda one: one["role"])
            return (
                (one["role"], other["role"]) == ("master", "slave")
                and other["master_link_status"] == "up"
                and "state=online" in one.get("slave0", "")
                and one["master_repl_offset"] == other["slave_repl_offset"]
            )

        return await until_true(caught_up, within_s, what="the replica has caught up")


def pairs(flat: list[bytes]) -> dict[str, str]:
    """Names and values that a sentinel gives one after another."""
    words = [word.decode() for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
