"""Limits in Redis or Valkey, shared by any number of workers and gateways: one server, what sentinels say is the
primary, or a cluster.

While a server fails, nobody waits for it: what `on_failure` says holds, and one connection in the background finds out
when it is back.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, Final

from gwproxy.limits.errand import Asked, Errand
from gwproxy.limits.known import Known
from gwproxy.limits.lease import Leases
from gwproxy.limits.leased_plan import LeasedPlan
from gwproxy.limits.level import MOST
from gwproxy.limits.looking import Looking
from gwproxy.limits.memory import MemoryStore
from gwproxy.limits.nodes import Nodes
from gwproxy.limits.record import Reading
from gwproxy.limits.redis_plan import RedisPlan
from gwproxy.limits.refused import Refused
from gwproxy.limits.server import Server
from gwproxy.limits.spec import LimitSpec, OnFailure
from gwproxy.state.address import Address, Place
from gwproxy.state.link import ended
from gwproxy.state.records import Take
from gwproxy.state.sentinel import Sentinels

log = logging.getLogger("gwproxy")

WATCH_S: Final = 1.0
"""Between two looks at who else is there, and where the primary is."""
EVICTS_EACH: Final = 60
"""Looks, of which one asks too whether the server may forget what it was told."""
HEARD_MS: Final = 5000
"""For how long a process is there of which nothing is heard."""
BEAT: Final = files("gwproxy.limits").joinpath("scripts/beat.lua").read_bytes()


_INFO: Final = re.compile(r"^(maxmemory|maxmemory_policy):([\w-]+)", re.MULTILINE)


class RedisStore:
    """`redis://`, `rediss://`, `unix://`, `redis+sentinel://` and `redis+cluster://`.

    `share`: how many processes share what a limit allows while the store fails: those of this gateway, and more where
    more have been seen at the store. `evicts`: what a server that is full may forget, by its own words, else "".
    """

    def __init__(
        self, where: Place | Address, *, prefix: str, timeout_s: float, on_failure: OnFailure = "local", share: int = 1
    ) -> None:
        self.place = Place((where,), where) if isinstance(where, Address) else where
        self.on_failure = on_failure
        self.prefix = prefix
        self.timeout_s = timeout_s
        self.failures = 0
        self.share = self._least_share = share
        self.local = MemoryStore()
        self.refused = self._next_refused = Refused()
        self.leases = self._next_leases = Leases()
        self.spread = self.place.cluster
        self.evicts = ""
        self._id = secrets.token_hex(6)
        self._failing: set[Server] = set()
        # Servers that give no records, by their addresses.
        self._unread: set[str] = set()
        self._sentinels = Sentinels(self.place) if self.place.primary else None
        self._nodes = Nodes(self, self.place.addresses, prefix) if self.spread else None
        self._server = Server(self, self._find, f"{prefix}:{{l}}:probe")
        self._watching: asyncio.Task[None] | None = None
        self._looking = Looking(self)

    @property
    def trouble(self) -> str:
        """Why it is not asked, "" where it is."""
        return "; ".join(dict.fromkeys(server.trouble for server in self.servers if server.trouble))

    @property
    def servers(self) -> list[Server]:
        """All that are asked."""
        return self._nodes.servers if self._nodes is not None else [self._server]

    def server_for(self, key: str) -> Server:
        """Who has a key."""
        return self._server if self._nodes is None else self._nodes.server_for(key)

    async def run_for(self, key: str, *command: Any) -> Any:
        """A command that is no check, by who has `key`. Raises LinkLost, hiredis.ReplyError, TimeoutError."""
        return await (self._server.run(*command) if self._nodes is None else self._nodes.run(key, *command))

    # -- its life

    async def start(self) -> None:
        """Connect. Where that fails it is told, and tried again in the background."""
        if self._nodes is not None:
            await self._nodes.start()
        else:
            await self._server.start()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End the connections."""
        await ended(self._watching)
        if self._nodes is not None:
            await self._nodes.close()
        await self._server.close()
        if self._sentinels is not None:
            await self._sentinels.close()

    async def _find(self) -> Address:
        if self._sentinels is None:
            return self.place.server
        return self.place.server.at(*await self._sentinels.primary())

    async def _watch(self) -> None:
        for turn in itertools.count():
            await self._look_around(self._beat)
            if turn % EVICTS_EACH == 0:
                await self._look_around(self._ask_whether_it_evicts)
            if self._sentinels is not None:
                await self._look_around(self._follow)
            await asyncio.sleep(WATCH_S)

    async def _look_around(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except Exception as error:
            # A store that fails is told of by its checks.
            log.debug("looking at the store of limits: %r", error)

    async def _beat(self) -> None:
        key = f"{self.prefix}:{{processes}}:"
        count = await self.server_for(key).run("EVAL", BEAT, 1, key, self._id, HEARD_MS)
        if type(count) is int:
            self.share = max(self._least_share, count)

    async def _ask_whether_it_evicts(self) -> None:
        found = ""
        for server in self.servers:
            told = dict(_INFO.findall((await server.run("INFO", "memory")).decode()))
            policy = told.get("maxmemory_policy", "noeviction")
            if told.get("maxmemory", "0") != "0" and policy != "noeviction":
                found = f"{self._name(server)}: maxmemory-policy {policy}"
        if found and found != self.evicts:
            log.warning("limits may be forgotten by %s, and allow once more: noeviction is safe", found)
        self.evicts = found

    async def _follow(self) -> None:
        """An old primary that nobody told of its fall may answer still: what it counts is lost."""
        if self._server.trouble:
            return
        now = str(await self._find())
        if self._server.address not in ("", now):
            self._server.distrust(f"the primary is {now} now")

    # -- what its servers say

    def failed(self, server: Server, why: str) -> None:
        """As the Owner of servers: told once, until it is well again."""
        self.failures += 1
        if server not in self._failing:
            self._failing.add(server)
            name, policy = self._name(server), self.on_failure
            log.error("limits are not counted by %s: %s; on_failure = %s holds", name, why, policy)

    def well(self, server: Server) -> None:
        """As the Owner of servers."""
        if server in self._failing:
            self._failing.discard(server)
            log.info("limits are counted by %s again", self._name(server))
        if not self._failing:
            # What was counted here meanwhile is known to nobody else.
            self.local.clear()

    def gone(self, server: Server) -> None:
        """It is not asked any more."""
        self._failing.discard(server)

    def elsewhere(self, server: Server, call: Errand, error: str) -> bool:
        """As the Owner of servers."""
        return self._nodes is not None and self._nodes.elsewhere(server, call, error)

    def _name(self, server: Server) -> str:
        return server.address or str(self.place)

    # -- records

    def read(self, key: str, take: Take) -> None:
        """As the Reader of records: by the same connection, within the same time-out, and in the same turn."""
        server = self.server_for(key)
        server.send(Reading(server, key, take, self._has_read))

    def _has_read(self, server: Asked, why: str) -> None:
        """A record was read, or not: told once, until the server gives one again."""
        name = server.address or str(self.place)
        if not why:
            if name in self._unread:
                self._unread.discard(name)
                log.info("records are read from %s again", name)
        elif name not in self._unread:
            self._unread.add(name)
            log.error("records are not read from %s: %s; who is not known by now is refused (503)", name, why)

    # -- plans

    def plan(self, specs: Sequence[LimitSpec], ipv6_prefix: int) -> RedisPlan | LeasedPlan:
        """What decides over `specs` together."""
        self._looking.add(specs)
        self.local.keep(specs)
        if self.spread or any(spec.lease for spec in specs):
            return LeasedPlan(self, specs, ipv6_prefix, self._next_refused, self._next_leases)
        return RedisPlan(self, self._server, specs, ipv6_prefix, self._next_refused)

    def forget_used(self) -> None:
        """Another configuration is bound from here."""
        self._looking.begin()
        self.local.forget_used()
        # An answer that is on its way to a plan of the old ones must tell the new ones nothing.
        self._next_refused, self._next_leases = Refused(), Leases()

    def settle_in(self, most: int = MOST) -> None:
        """What was bound last is in force."""
        self._looking.settle_in()
        self.local.settle_in(most)
        self.refused, self.leases = self._next_refused, self._next_leases

    def sweep(self) -> None:
        """Free what nobody needs any more."""
        self.local.sweep()
        if len(self.leases):
            self.leases.sweep(self.local.now_us())

    # -- who operates it

    async def known(self, who: str) -> list[Known]:
        """The limits that know `who`. Raises StoreUnavailable."""
        return await self._looking.known(who)

    async def forget(self, who: str) -> int:
        """Give `who` all permits back: of how many limits. Raises StoreUnavailable."""
        return await self._looking.forget(who)
