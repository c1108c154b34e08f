"""A Redis or Valkey cluster: three primaries, and slots that move while a test looks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.support.store_process import StoreProcess, StoreProcesses, first_running, until_true

SLOTS = 16384
START_S = 10.0
"""A node refuses to serve for the first two seconds of its life (CLUSTER_WRITABLE_DELAY)."""


class StoreCluster(StoreProcesses):
    """Three primaries without replicas: a node that ends takes its slots with it, and the others go on.

    Who owns a slot is known from what was done here, so that it can be said while a node is gone.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.nodes: list[StoreProcess] = []
        self._buses: list[int] = []
        self._moved: dict[int, StoreProcess] = {}

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{node.host}:{node.port}" for node in self.nodes)

    async def start(self) -> None:
        """Returns once every node serves and knows all."""
        for _ in range(3):
            self._buses.append(self.free_port())
            node = self.add(
                'save ""', "appendonly no", "cluster-enabled yes", f"cluster-port {self._buses[-1]}",
                "cluster-node-timeout 1000", "cluster-require-full-coverage no",
            )  # fmt: skip
            self.nodes.append(node)
        await asyncio.gather(*(node.start() for node in self.nodes))
        for index, node in enumerate(self.nodes):
            # Different from the start, or the nodes would have to settle it among them.
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            await node.ask("CLUSTER", "ADDSLOTSRANGE", self._first(index), self._first(index + 1) - 1)
        # Each other, rather than by hearsay: that is told once a second.
        for one, other in ((0, 1), (0, 2), (1, 2)):
            met = self.nodes[other]
            await self.nodes[one].ask("CLUSTER", "MEET", met.host, met.port, self._buses[other])
        await self.until_whole()

    async def until_whole(self) -> None:
        """Waits until every node is there, serves, and knows all three and who has each slot."""
        await until_true(self._is_whole, START_S, every_s=0.02, what="a whole cluster")

    async def _is_whole(self) -> bool:
        expected = {
            "cluster_state": "ok", "cluster_slots_ok": str(SLOTS), "cluster_known_nodes": "3", "cluster_size": "3"
        }  # fmt: skip
        for node in self.nodes:
            lines = (await node.ask("CLUSTER", "INFO")).decode().split("\r\n")
            if not expected.items() <= dict(line.split(":", 1) for line in lines if line).items():
                return False
        return True

    @staticmethod
    def _first(index: int) -> int:
        """The first slot of a node at the start."""
        return SLOTS * index // 3

    async def slot_of(self, key: str | bytes) -> int:
        """As a node computes it."""
        slot: int = await first_running(self.nodes).ask("CLUSTER", "KEYSLOT", key)
        return slot

    def owner(self, slot: int) -> StoreProcess:
        """Who has the slot; while it is moved, who has had it."""
        at = next(index for index in range(3) if slot < self._first(index + 1))
        return self._moved.get(slot, self.nodes[at])

    async def name(self, node: StoreProcess) -> bytes:
        """What a node is called among nodes."""
        name: bytes = await node.ask("CLUSTER", "MYID")
        return name

    async def migrate(self, slot: int, to: StoreProcess) -> None:
        """Moves a slot and its keys, from begin to end."""
        source = self.owner(slot)
        await self.begin_migration(slot, source, to)
        await self.move_keys(slot, source, to)
        await self.end_migration(slot, to)

    async def begin_migration(self, slot: int, source: StoreProcess, to: StoreProcess) -> None:
        """From here on `source` answers ASK for keys of the slot that it doesn't have."""
        self.touched = True
        await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", await self.name(source))
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", await self.name(to))

    async def move_keys(self, slot: int, source: StoreProcess, to: StoreProcess) -> None:
        """All that are there now; `source` still owns the slot."""
        self.touched = True
        keys: list[Any]
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            await source.ask("MIGRATE", to.host, to.port, "", 0, 2000, "KEYS", *keys)

    async def end_migration(self, slot: int, to: StoreProcess) -> None:
        """Gives the slot to `to`, and tells all nodes; the new owner first, or nobody might have it for a moment."""
        self.touched = True
        name = await self.name(to)
        for node in (to, *(other for other in self.nodes if other is not to)):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", name)
        self._moved[slot] = to
