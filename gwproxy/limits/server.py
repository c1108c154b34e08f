"""One server that decides: checks of a turn travel to it together, and while it fails nobody waits for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import hiredis

from gwproxy.limits.call import Call, Check
from gwproxy.limits.errand import Errand
from gwproxy.limits.script import SCRIPT, SHA
from gwproxy.state.address import Address
from gwproxy.state.link import Link, LinkLost, connected, ended, reason_of
from gwproxy.state.slots import slot_of

AT_ONCE: Final = 32
"""Checks in one call: more would hold the server for longer than a millisecond."""
AGAIN_S: Final = 0.2
"""Between two looks whether a server that has failed is back."""

class Owner(Protocol):
    """Who has the server. `timeout_s` is how long a call may take."""

    timeout_s: float

    def failed(self, server: Server, why: str) -> None:
        """It has begun to fail, or fails still."""

    def well(self, server: Server) -> None:
        """It has been found to be well after it had failed."""

    def elsewhere(self, server: Server, call: Errand, error: str) -> bool:
        """The server says that it has not run `call`, for its keys are not there. Whether another is asked."""


class Server:
    """`find` says where it is now. `trouble`: why it is not asked, else "". `probe_key` is a key that it has, "" where
    it has none yet.

    `by_slot`: only what is in one slot may travel in one call.
    """

    def __init__(
        self, owner: Owner, find: Callable[[], Awaitable[Address]], probe_key: str, *, by_slot: bool = False
    ) -> None:
        self.probe_key = probe_key
        self.trouble = "not connected yet"
        self.address = ""
        self._owner = owner
        self._find = find
        self._by_slot = by_slot
        self._link: Link | None = None
        self._queue: list[Check] = []
        self._numbers = itertools.count()
        self._probing: asyncio.Task[None] | None = None
        self._closed = False

    # -- its life

    async def start(self) -> None:
        """Connect. Where that fails it is told, and tried again in the background."""
        try:
            await self._connect()
        except Exception as error:
            self.fail(reason_of(error))

    async def close(self) -> None:
        """End the connection."""
        self.leave()
        await ended(self._probing)

    def leave(self) -> None:
        """It is not needed any more. What is on its way is given up."""
        self._closed = True
        self.trouble = self.trouble or "it is not asked any more"
        if self._probing is not None:
            self._probing.cancel()
        if self._link is not None:
            self._link.abort()

    async def _connect(self) -> None:
        if self._link is None:
            address = await self._find()
            self.address = str(address)
            self._link = await connected(address, self._lost)
        link = self._link
        async with asyncio.timeout(1.0):
            await link.ask("SCRIPT", "LOAD", SCRIPT)
            if self.probe_key:
                # A server that is full, or that takes no writes, answers PING all the same.
                await self._probed(link)
        self.trouble = ""
        self._owner.well(self)

    async def _probed(self, link: Link) -> None:
        try:
            await link.ask("EVALSHA", SHA, 1, self.probe_key, 0, 0, "b 1 1 0")
        except hiredis.ReplyError as error:
            # A node that sends the key elsewhere is well.
            if not str(error).startswith(("MOVED ", "ASK ", "TRYAGAIN")):
                raise

    def _lost(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            if not self._closed:
                self.fail("the connection has ended")

    def fail(self, why: str) -> None:
        """A call had no answer, or none that helps: nobody asks until the server is found to be well."""
        self.trouble = why
        if self._closed:
            # It is nobody's any more, and will not be found well.
            return
        self._owner.failed(self, why)
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe())

    def distrust(self, why: str) -> None:
        """It does not answer what it is asked: no answer on this connection can be believed."""
        self.fail(why)
        if self._link is not None:
            self._link.abort()

    async def _probe(self) -> None:
        try:
            while self.trouble:
                await asyncio.sleep(AGAIN_S)
                try:
                    await self._connect()
                except Exception as error:
                    self.trouble = reason_of(error)
                    if self._link is not None and not isinstance(error, hiredis.ReplyError):
                        self._link.abort()
        finally:
            self._probing = None

    # -- checks

    def ask(self, check: Check) -> None:
        """Have a check decided, together with the others of this turn."""
        self._queue.append(check)
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        if not self._by_slot:
            for at in range(0, len(queue), AT_ONCE):
                self.send(Call(self, queue[at : at + AT_ONCE]))
            return
        by_slot: dict[int, list[Check]] = {}
        for check in queue:
            by_slot.setdefault(slot_of(check.keys[0]), []).append(check)
        for some in by_slot.values():
            for at in range(0, len(some), AT_ONCE):
                self.send(Call(self, some[at : at + AT_ONCE]))

    def send(self, call: Errand, *, asking: bool = False) -> None:
        """Send a call, also one that another server was asked for before; `asking`: a slot that is on its way here."""
        link = self._link
        if link is None or self.trouble:
            call.give_up(self.trouble)
            return
        call.begin(self, next(self._numbers), self._owner.timeout_s)
        call.asking = asking
        if asking:
            link.send(("ASKING",), _nothing)
        link.send(call.command("EVALSHA", SHA), call.take)

    def send_whole(self, call: Errand) -> None:
        """The server has not run the script, since it does not know it: send it whole."""
        if self._link is None:
            call.take(LinkLost("the connection has ended"))
            return
        if call.asking:
            self._link.send(("ASKING",), _nothing)
        self._link.send(call.command("EVAL", SCRIPT), call.take)

    def elsewhere(self, call: Errand, error: str) -> bool:
        """Whether another server is asked."""
        return self._owner.elsewhere(self, call, error)

    async def run(self, *command: Any, asking: bool = False) -> Any:
        """A command that is no check; `asking`: of a slot that is on its way here.

        Raises LinkLost, hiredis.ReplyError, TimeoutError.
        """
        if self._link is None:
            raise LinkLost(self.trouble)
        async with asyncio.timeout(1.0):
            if asking:
                self._link.send(("ASKING",), _nothing)
            return await self._link.ask(*command)


def _nothing(answer: Any) -> None:
    """Nobody wants to know."""
