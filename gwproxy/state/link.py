"""One connection to a Redis or Valkey server: commands go out as they come, answers are matched by their order.

Invariants: every command has exactly one taker, which is called exactly once: with the answer, or with LinkLost when
there will be none. An answer is never given to the taker of another command, for nothing is ever taken out of the
order: who no longer wants an answer ignores it when it comes. No command is sent twice by this.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import hiredis

from gwproxy.state.address import Address

CONNECT_S: Final = 1.0
Taker = Callable[[Any], None]
"""Gets an answer: what hiredis makes of it, ReplyError included; or LinkLost."""

_MISSING: Final = object()


class LinkLost(Exception):
    """The connection has ended: whether the command was carried out is not known."""


class Link(asyncio.Protocol):
    """A connection. `lost` is called once, when it has ended."""

    def __init__(self, lost: Callable[[Link], None]) -> None:
        self._lost = lost
        self._reader = hiredis.Reader(notEnoughData=_MISSING)
        self._takers: deque[Taker] = deque()
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return self._transport is not None

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
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _MISSING:
                self._takers.popleft()(answer)
        except (hiredis.ProtocolError, IndexError):
            # No answer can be told from another any more, or one came that nobody had asked for.
            self.abort()

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
