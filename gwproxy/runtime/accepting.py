"""The listening sockets of one worker: on them or off them, without losing who waits in their queues.

The sockets belong to the supervisor, or to who started this process; here are only duplicates. A server of the loop's
closes its own when it stops, and the queue lives on in the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping

from gwproxy.runtime.listeners import BACKLOG

AT_ONCE = 64
"""Connections taken from a queue between two turns of the loop."""


class Accepting:
    """Sockets by address, and what serves who connects. `on` says whether connections are taken."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._protocol = protocol
        self._held: dict[str, socket.socket] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self.on = True

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets, in the order that they came."""
        return list(self._held.values())

    async def use(self, sockets: Mapping[str, socket.socket]) -> None:
        """Accept on these from now on, and on no others. A socket of an address that is there already is closed."""
        for address in [address for address in self._held if address not in sockets]:
            self._leave(address)
            self._held.pop(address).close()
        for address, sock in sockets.items():
            if address in self._held:
                sock.close()
                continue
            self._held[address] = sock
            if self.on:
                await self._enter(address)

    def pause(self) -> None:
        """Take no more connections from this moment; others do, or the queue keeps them."""
        self.on = False
        for address in list(self._servers):
            self._leave(address)

    async def resume(self) -> None:
        """Take connections again."""
        self.on = True
        for address in self._held:
            if address not in self._servers:
                await self._enter(address)

    async def _enter(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        sock = self._held[address].dup()
        make = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
        server = await make(self._protocol, sock=sock, backlog=BACKLOG)
        if self.on and address in self._held:
            self._servers[address] = server
        else:
            # Paused while it began.
            server.close()

    def _leave(self, address: str) -> None:
        server = self._servers.pop(address, None)
        if server is not None:
            server.close()

    async def close(self) -> None:
        """Take what waits in the queues, and then nothing more."""
        self.pause()
        for sock in self._held.values():
            with contextlib.suppress(OSError):
                await self._empty(sock)
            sock.close()
        self._held.clear()

    async def _empty(self, sock: socket.socket) -> None:
        """Who connected before the socket closed has been promised an answer."""
        loop = asyncio.get_running_loop()
        taken = 0
        while True:
            try:
                connection, _ = sock.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)
            taken += 1
            if taken % AT_ONCE == 0:
                await asyncio.sleep(0)
