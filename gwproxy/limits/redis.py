"""Limits in a Redis or Valkey server, shared by any number of workers and gateways.

Checks of one turn of the loop travel in one call of one script. While the server fails, nobody waits for it: what
`on_failure` says holds, and one connection in the background finds out when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

import hiredis

from gwproxy.limits.level import MOST
from gwproxy.limits.memory import MemoryStore
from gwproxy.limits.redis_plan import Pending, RedisPlan
from gwproxy.limits.spec import LimitSpec, OnFailure
from gwproxy.state.address import Address
from gwproxy.state.link import Link, LinkLost, connected

log = logging.getLogger("gwproxy")

AT_ONCE: Final = 32
"""Checks in one call: more would hold the server for longer than a millisecond."""
AGAIN_S: Final = 0.2
"""Between two looks whether a server that has failed is back."""
SCRIPT: Final = files("gwproxy.limits").joinpath("scripts/decide.lua").read_bytes()
_SHA: Final = sha1(SCRIPT, usedforsecurity=False).hexdigest()


class RedisStore:
    """`redis://`, `rediss://` and `unix://`.

    `share`: how many processes share what a limit allows while the server fails.
    """

    def __init__(
        self, address: Address, *, prefix: str, timeout_s: float, on_failure: OnFailure = "local", share: int = 1
    ) -> None:
        self.address = address
        self.on_failure = on_failure
        self.prefix = prefix
        self.failures = 0
        self.trouble = "not connected yet"
        self.local = MemoryStore()
        self._timeout_s = timeout_s
        self._share = share
        self._link: Link | None = None
        self._queue: list[Pending] = []
        self._probing: asyncio.Task[None] | None = None
        self._closed = False

    # -- its life

    async def start(self) -> None:
        """Connect. Where that fails it is told, and tried again in the background."""
        try:
            await self._connect()
        except Exception as error:
            self.fail(_reason(error))

    async def close(self) -> None:
        """End the connection."""
        self._closed = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        if self._link is not None:
            self._link.abort()

    async def _connect(self) -> None:
        if self._link is None:
            self._link = await connected(self.address, self._lost)
        link = self._link
        async with asyncio.timeout(1.0):
            await link.ask("SCRIPT", "LOAD", SCRIPT)
            # A server that is full, or that takes no writes, answers PING all the same.
            await link.ask("EVALSHA", _SHA, 1, f"{self.prefix}:{{l}}:probe", 0, "b 1 1")
        if self.trouble and self.failures:
            log.info("limits are counted by %s again", self.address)
        self.trouble = ""
        # What was counted here meanwhile is known to nobody else.
        self.local.clear()

    def _lost(self, link: Link) -> None:
        if self._link is link and not self._closed:
            self._link = None
            self.fail("the connection has ended")

    def fail(self, why: str) -> None:
        """A call had no answer, or none that helps: nobody asks until the server is found to be well."""
        self.failures += 1
        if not self.trouble or self.failures == 1:
            log.error("limits are not counted by %s: %s; on_failure = %s holds", self.address, why, self.on_failure)
        self.trouble = why
        if self._probing is None and not self._closed:
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        try:
            while self.trouble:
                await asyncio.sleep(AGAIN_S)
                try:
                    await self._connect()
                except Exception as error:
                    self.trouble = _reason(error)
                    if self._link is not None and isinstance(error, TimeoutError):
                        self._link.abort()
        finally:
            self._probing = None

    # -- plans

    def plan(self, specs: Sequence[LimitSpec], ipv6_prefix: int) -> RedisPlan:
        """What decides over `specs` together."""
        policies = [spec.on_failure or self.on_failure for spec in specs]
        shares = [
            replace(spec, requests=math.ceil(spec.requests / self._share))
            for spec, policy in zip(specs, policies, strict=True)
            if policy == "local"
        ]
        local = self.local.plan(shares, ipv6_prefix) if shares else None
        return RedisPlan(self, specs, None if "deny" in policies else local, ipv6_prefix, deny="deny" in policies)

    def forget_used(self) -> None:
        """Another configuration is bound from here."""
        self.local.forget_used()

    def settle_in(self, most: int = MOST) -> None:
        """What was bound last is in force."""
        self.local.settle_in(most)

    def sweep(self) -> None:
        """Free what nobody needs any more."""
        self.local.sweep()

    # -- checks

    def ask(self, pending: Pending) -> None:
        """Have a check decided, together with the others of this turn."""
        self._queue.append(pending)
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        for at in range(0, len(queue), AT_ONCE):
            self._send(queue[at : at + AT_ONCE])

    def _send(self, batch: list[Pending]) -> None:
        link = self._link
        if link is None or self.trouble:
            _give_up(batch)
            return
        keys: list[str] = []
        words: list[str] = ["0"]
        for pending in batch:
            keys += pending.keys
            words.append(pending.plan.word)
        call = _Call(self, batch)
        call.timer = asyncio.get_running_loop().call_later(self._timeout_s, call.late)
        link.send(("EVALSHA", _SHA, len(keys), *keys, *words), call.take)
        call.again = ("EVAL", SCRIPT, len(keys), *keys, *words)

    def resend(self, call: _Call) -> None:
        """The server has not run the script, since it does not know it: send it whole."""
        if self._link is None:
            call.take(LinkLost("the connection has ended"))
        else:
            self._link.send(call.again, call.take)


class _Call:
    """One script call and the checks in it. Whatever comes, and when: each check is settled once."""

    __slots__ = ("_batch", "_store", "again", "timer")

    def __init__(self, store: RedisStore, batch: list[Pending]) -> None:
        self._store = store
        self._batch = batch
        self.again: tuple[Any, ...] = ()
        self.timer: asyncio.TimerHandle | None = None

    def late(self) -> None:
        """The server has not answered in time: whether it has counted is not known."""
        batch, self._batch = self._batch, []
        if batch:
            self._store.fail("no answer in time")
            _give_up(batch)

    def take(self, answer: Any) -> None:
        """The server's answer; after `late` nobody's any more."""
        if not self._batch:
            return
        if isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT") and self.again:
            self._store.resend(self)
            self.again = ()
            return
        if self.timer is not None:
            self.timer.cancel()
        batch, self._batch = self._batch, []
        if not isinstance(answer, list) or len(answer) != 1 + sum(2 + 2 * len(one.keys) for one in batch):
            self._store.fail(_reason(answer) if isinstance(answer, Exception) else "an answer of another form")
            _give_up(batch)
            return
        now, at = answer[0], 1
        for pending in batch:
            end = at + 2 + 2 * len(pending.keys)
            pending.settle(now, answer[at:end])
            at = end


def _give_up(batch: list[Pending]) -> None:
    for pending in batch:
        pending.give_up()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
