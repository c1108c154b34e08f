"""One connection to a Redis or Valkey server: commands go out as they come, answers are matched by their order.

Invariants: every command has exactly one taker, which is called exactly once: with the answer, or with LinkLost when
there will be none. An answer is never given to the taker of another command, for nothing is ever taken out of the
order: who no longer wants an answer ignores it when it comes. No command is sent twice by this.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import hiredis

from gwproxy.state.address import Address

log = logging.getLogger("gwproxy")

CONNECT_S: Final = 1.0
Taker = Callable[[Any], None]
"""Gets an answer: what hiredis makes of it, ReplyError included; or LinkLost."""

MOST_UNREAD: Final = 1 << 20
"""Bytes of an answer that has not come whole."""

_MISSING: Final = object()
# No answer to us has so many parts or such a long text; a reader would make room for as many as it is told.
_ABSURD: Final = re.compile(rb"[$*>~%|]\d{6}")
_LONGEST_HEAD: Final = 10


class LinkLost(Exception):
    """The connection has ended: whether the command was carried out is not known."""


class Link(asyncio.Protocol):
    """A connection. `lost` is called once, when it has ended."""

    def __init__(self, lost: Callable[[Link], None]) -> None:
        self._lost = lost
        self._reader = hiredis.Reader(notEnoughData=_MISSING)
        self._tail = b""
        self._unread = 0
        self._takers: deque[Taker] = deque()
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def waiting(self) -> int:
        """Commands without an answer so far."""
        return len(self._takers)

    def send(self, command: tuple[Any, ...], take: Taker) -> None:
        """Send a command: bytes, str and int."""
        if self._transport is None:
            take(LinkLost("the connection has ended"))
            return
        self._takers.append(take)
        self._transport.write(hiredis.pack_command(command))

    async def ask(self, *command: Any) -> Any:
        """Send a command and wait for its answer. Raises LinkLost, hiredis.ReplyError."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def take(answer: Any) -> None:
            if not future.done():
                future.set_result(answer)

        self.send(command, take)
        answer = await future
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server has accepted."""
        # uvloop's are transports by their methods only.
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Some answers, or a piece of one."""
        seen = self._tail + data
        self._tail = seen[-_LONGEST_HEAD:]
        if _ABSURD.search(seen) or not self._read(data) or self._unread > MOST_UNREAD:
            # No answer can be told from another any more, one came that nobody had asked for, or one has no end.
            self.abort()

    def _read(self, data: bytes) -> bool:
        """Hand out what is whole. Whether what comes after it can be believed."""
        self._unread += len(data)
        try:
            self._reader.feed(data)
            while self.open:
                answer = self._reader.gets()
                if answer is _MISSING:
                    break
                if not self._takers:
                    return False
                self._unread = self._reader.len()
                self._hand(answer)
        except (hiredis.ProtocolError, MemoryError, TypeError):
            return False
        return True

    def _hand(self, answer: Any) -> None:
        """Give it to whose it is. A mistake of theirs is no fault of the server's."""
        try:
            self._takers.popleft()(answer)
        except Exception:
            log.exception("an answer of the store could not be taken")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended: nobody who waits will get an answer."""
        self._transport = None
        takers, self._takers = self._takers, deque()
        for take in takers:
            take(LinkLost(str(error or "the server has closed the connection")))
        self._lost(self)


async def connected(address: Address, lost: Callable[[Link], None]) -> Link:
    """A new connection, ready for commands. Raises OSError, TimeoutError, LinkLost, hiredis.ReplyError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        if address.path:
            _, link = await loop.create_unix_connection(lambda: Link(lost), address.path)
        else:
            _, link = await loop.create_connection(
                lambda: Link(lost), address.host, address.port, ssl=address.context()
            )
        try:
            if address.password:
                await link.ask("AUTH", *([address.user] if address.user else []), address.password)
            if address.database:
                await link.ask("SELECT", address.database)
        except BaseException:
            link.abort()
            raise
    return link


def reason_of(error: Exception) -> str:
    """Why a server could not be asked, for people."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


async def ended(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel tasks, and wait until they are over: a time-out that comes in the same moment swallows a cancellation."""
    for task in tasks:
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=0.1)
