"""The primaries of a cluster, and which of them has a key.

The map is learned at the start, from a redirection, and whenever a node fails. A call that a node has not run, for its
slot is elsewhere, is sent on within the time-out of the whole; it cannot have consumed anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final, Protocol

from gwproxy.limits.call import Call
from gwproxy.limits.server import AGAIN_S, Owner, Server
from gwproxy.state.address import Address
from gwproxy.state.link import ended
from gwproxy.state.slots import SLOTS, Ranges, ranges_of, slot_of

log = logging.getLogger("gwproxy")

MOST_HOPS: Final = 16
SOON_S: Final = 0.01
"""Before a call is sent once more that nobody could carry out yet."""
REFRESH_S: Final = 1.0
"""Between two looks at the map where nothing fails."""


class NodeOwner(Owner, Protocol):
    """The store."""

    def gone(self, server: Server) -> None:
        """It is not asked any more."""


class Nodes:
    """All primaries. A slot that nobody has is nobody's fault: what asks for it has `on_failure`."""

    def __init__(self, store: NodeOwner, seeds: Iterable[Address], prefix: str) -> None:
        self._store = store
        self._seeds = list(seeds)
        self._prefix = prefix
        self._of: dict[str, Server] = {}
        self._addresses: dict[str, Address] = {}
        self._nobody = Server(store, self._nowhere, f"{prefix}:{{l}}:probe")
        self._nobody.trouble = "no node of the cluster has this slot"
        self._slots: list[Server] = [self._nobody] * SLOTS
        self._learning: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def servers(self) -> list[Server]:
        """All primaries; where none is known, one that fails."""
        return list(self._of.values()) or [self._nobody]

    def server_for(self, key: str) -> Server:
        """Who has a key."""
        return self._slots[slot_of(key)]

    async def _nowhere(self) -> Address:
        raise OSError(self._nobody.trouble)

    # -- their life

    async def start(self) -> None:
        """Learn the map and connect. Where that fails it is told, and tried again in the background."""
        try:
            await self._learn()
        except OSError as error:
            self._nobody.trouble = str(error)
            self._store.failed(self._nobody, str(error))
        self._refreshing = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        """End all connections."""
        await ended(self._refreshing, *self._tasks, self._learning)
        for server in [*self._of.values(), self._nobody]:
            await server.close()

    async def _refresh(self) -> None:
        """Look at the map: often while a node fails, for another may have its slots by now."""
        while True:
            failing = not self._of or any(server.trouble for server in self._of.values())
            await asyncio.sleep(AGAIN_S if failing else REFRESH_S)
            try:
                await self._learn()
            except OSError as error:
                log.debug("the map of the cluster: %s", error)

    async def _learn(self) -> None:
        """Who asks while somebody looks already is content with what is found: two would make two of each server.

        Raises OSError.
        """
        if self._learning is None:
            self._learning = asyncio.create_task(self._look())
            self._learning.add_done_callback(self._learned)
        await asyncio.shield(self._learning)

    def _learned(self, task: asyncio.Task[None]) -> None:
        self._learning = None
        if not task.cancelled():
            # Else it is said to be lost where nobody has waited to the end.
            task.exception()

    async def _look(self) -> None:
        well = [self._addresses[name] for name, server in self._of.items() if not server.trouble]
        ranges = await ranges_of([*well, *self._seeds])
        if ranges:
            await self._use(ranges)

    async def _use(self, ranges: Ranges) -> None:
        slots: list[Server] = [self._nobody] * SLOTS
        named: dict[str, Server] = {}
        new = []
        for first, last, address in ranges:
            name = str(address)
            server = named.get(name) or self._of.get(name)
            if server is None:
                server = self._new(address)
                new.append(server)
            if name not in named:
                server.probe_key = f"{self._prefix}:{{{_tag_in(first, last)}}}:probe"
            named[name] = server
            self._addresses[name] = address
            slots[first : last + 1] = [server] * (last + 1 - first)
        if new:
            await asyncio.gather(*(server.start() for server in new))
        gone = [server for name, server in self._of.items() if name not in named]
        self._of, self._slots = named, slots
        self._store.gone(self._nobody)
        for server in gone:
            server.leave()
            self._store.gone(server)

    def _new(self, address: Address) -> Server:
        async def find() -> Address:
            return address

        return Server(self._store, find, "", by_slot=True)

    # -- calls that are somewhere else

    def elsewhere(self, server: Server, call: Call, error: str) -> bool:
        """Send a call on that has not been run: MOVED for good, ASK for this once, TRYAGAIN to the same in a moment."""
        word, _, where = error.partition(" ")
        if word not in ("MOVED", "ASK", "TRYAGAIN"):
            return False
        call.hops += 1
        if call.hops > MOST_HOPS:
            # No node is to blame: they have not agreed yet who has the slot.
            call.give_up("the slot is on its way between two nodes")
            return True
        if word == "TRYAGAIN":
            self._later(call)
            return True
        slot, name = _read(where, server.address)
        if not name or slot != call.slot:
            # Nonsense, or a node that does not know its own name.
            return False
        other = self._of.get(name)
        if other is None or other.trouble:
            self._later(call)
            return True
        if word == "MOVED":
            self._slots[slot] = other
        other.send(call, asking=word == "ASK")
        return True

    def _later(self, call: Call) -> None:
        """When the map may be another. Its time-out runs."""
        task = asyncio.create_task(self._once_more(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _once_more(self, call: Call) -> None:
        await asyncio.sleep(SOON_S)
        if call.hops == 1:
            try:
                await self._learn()
            except OSError as error:
                log.debug("the map of the cluster: %s", error)
        if not call.over:
            self._slots[call.slot].send(call)


def _read(where: str, own: str) -> tuple[int, str]:
    """The slot and the address of a redirection; an empty host is that of who says so."""
    slot, _, name = where.partition(" ")
    if name.startswith(":"):
        name = own.rpartition(":")[0] + name
    return (int(slot), name) if slot.isascii() and slot.isdigit() else (-1, "")


def _tag_in(first: int, last: int) -> str:
    """A word whose slot is between the two."""
    number = 0
    while not first <= slot_of(str(number)) <= last:
        number += 1
    return str(number)
