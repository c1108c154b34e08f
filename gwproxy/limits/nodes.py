"""The primaries of a cluster, and which of them has a key.

The map is learned at the start, from a redirection, and whenever a node fails. A call that a node has not run, for its
slot is elsewhere, is sent on within the time-out of the whole; it cannot have consumed anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any, Final, Protocol

import hiredis

from gwproxy.limits.errand import Errand
from gwproxy.limits.server import AGAIN_S, Owner, Server
from gwproxy.state.address import Address
from gwproxy.state.link import ended
from gwproxy.state.slots import SLOTS, Ranges, ranges_of, slot_of

log = logging.getLogger("gwproxy")

MOST_HOPS: Final = 4
"""At once; from there every SOON_S until the time-out, for the nodes have not agreed yet who has the slot."""
SOON_S: Final = 0.01
"""Before a call is sent once more that nobody could carry out yet."""
MOST_COMING: Final = 32
COMING_S: Final = 5.0
"""For so long a node that no map has is kept after a call was sent on to it."""
NEW_S: Final = 0.25
"""For connections to new nodes, before the map is used without those that are not there yet."""
LEARN_S: Final = 0.1
"""Between two looks at the map for calls that it sends to the wrong node."""
RUN_S: Final = 2.0
"""For a command of who operates the gateway."""
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
        # Nodes that are about to have their first slot, which no map has, and when each was named last.
        self._coming: dict[str, Server] = {}
        self._named_at: dict[str, float] = {}
        self._nobody = Server(store, self._nowhere, f"{prefix}:{{l}}:probe")
        self._nobody.trouble = "no node of the cluster has this slot"
        self._slots: list[Server] = [self._nobody] * SLOTS
        self._learning: asyncio.Task[None] | None = None
        self._learned_at = 0.0
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
        for server in [*self._of.values(), *self._coming.values(), self._nobody]:
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
            server = named.get(name) or self._of.get(name) or self._coming.get(name)
            if server is None:
                server = self._new(address)
                new.append(server)
            if name not in named and not (server.probe_key and first <= slot_of(server.probe_key) <= last):
                server.probe_key = f"{self._prefix}:{{{_tag_in(first, last)}}}:probe"
            named[name] = server
            self._addresses[name] = address
            slots[first : last + 1] = [server] * (last + 1 - first)
        if new:
            await asyncio.wait([self._start(server.start()) for server in new], timeout=NEW_S)
        gone = [server for name, server in self._of.items() if name not in named]
        now = asyncio.get_running_loop().time()
        for name, server in [*self._coming.items()]:
            if name in named or now - self._named_at[name] > COMING_S:
                del self._coming[name], self._named_at[name]
                if name not in named:
                    gone.append(server)
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

    def elsewhere(self, server: Server, call: Errand, error: str) -> bool:
        """Send a call on that has not been run: MOVED for good, ASK for this once, TRYAGAIN to the same in a moment."""
        word, _, where = error.partition(" ")
        if word not in ("MOVED", "ASK", "TRYAGAIN"):
            return False
        call.hops += 1
        if word == "TRYAGAIN":
            self._later(call)
            return True
        slot, name = _read(where, server.address)
        if not name or slot != call.slot:
            # Nonsense, or a node that does not know its own name.
            return False
        other = self._named(name, new=word == "ASK")
        if other is None or other.trouble:
            self._later(call, learn=word == "MOVED")
            return True
        if word == "MOVED":
            self._slots[slot] = other
        if call.hops > MOST_HOPS:
            self._later(call, learn=word == "MOVED", to=other if word == "ASK" else None)
        else:
            other.send(call, asking=word == "ASK")
        return True

    def _named(self, name: str, *, new: bool) -> Server | None:
        """The node of that address; `new`: no map has it where it has no slot yet."""
        other = self._of.get(name)
        if other is not None:
            return other
        if new and name not in self._coming and len(self._coming) < MOST_COMING:
            host, _, port = name.rpartition(":")
            if port.isascii() and port.isdigit():
                self._coming[name] = self._new(self._seeds[0].at(host.strip("[]"), int(port)))
                self._start(self._coming[name].start())
        other = self._coming.get(name)
        if other is not None:
            self._named_at[name] = asyncio.get_running_loop().time()
        return other

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, key: str, *command: Any) -> Any:
        """A command that is no check, by whoever has `key`, wherever that goes meanwhile.

        Raises LinkLost, hiredis.ReplyError, TimeoutError.
        """
        async with asyncio.timeout(RUN_S):
            server, asking = self.server_for(key), False
            while True:
                try:
                    return await server.run(*command, asking=asking)
                except hiredis.ReplyError as error:
                    word, _, where = str(error).partition(" ")
                    if word not in ("MOVED", "ASK", "TRYAGAIN"):
                        raise
                    other = self._named(_read(where, server.address)[1], new=word == "ASK")
                if word != "ASK" or other is None or other.trouble:
                    await self._learn_again(word == "MOVED")
                    other = None
                server, asking = other or self.server_for(key), other is not None

    def _later(self, call: Errand, *, learn: bool = False, to: Server | None = None) -> None:
        """When the map may be another, or to the node that was named. Its time-out runs."""
        call.sent = False
        self._start(self._once_more(call, learn, to))

    async def _learn_again(self, learn: bool) -> None:
        await asyncio.sleep(SOON_S)
        loop = asyncio.get_running_loop()
        if learn and loop.time() - self._learned_at >= LEARN_S:
            self._learned_at = loop.time()
            try:
                await self._learn()
            except OSError as error:
                log.debug("the map of the cluster: %s", error)

    async def _once_more(self, call: Errand, learn: bool, to: Server | None) -> None:
        await self._learn_again(learn)
        if not call.over:
            (to or self._slots[call.slot]).send(call, asking=to is not None)


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
