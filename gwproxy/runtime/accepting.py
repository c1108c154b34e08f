"""The listening sockets of one worker: on them or off them, without losing who waits in their queues.

The sockets belong to the supervisor, or to who started this process; here are only duplicates. A site of aiohttp's
closes its own when it stops, and the queue lives on in the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping

from aiohttp import web

from gwproxy.runtime.listeners import BACKLOG

AT_ONCE = 64
"""Connections taken from a queue between two turns of the loop."""


class Accepting:
    """Sockets by address. `on` says whether their connections are taken."""

    def __init__(self, runner: web.ServerRunner) -> None:
        self._runner = runner
        self._held: dict[str, socket.socket] = {}
        self._sites: dict[str, web.SockSite] = {}
        self.on = True

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets, in the order that they came."""
        return list(self._held.values())

    async def use(self, sockets: Mapping[str, socket.socket]) -> None:
        """Accept on these from now on, and on no others. A socket of an address that is there already is closed."""
        for address in [address for address in self._held if address not in sockets]:
            await self._leave(address)
            self._held.pop(address).close()
        for address, sock in sockets.items():
            if address in self._held:
                sock.close()
                continue
            self._held[address] = sock
            if self.on:
                await self._enter(address)

    async def pause(self) -> None:
        """Take no more connections; others do, or the queue keeps them."""
        self.on = False
        for address in list(self._sites):
            await self._leave(address)

    async def resume(self) -> None:
        """Take connections again."""
        self.on = True
        for address in self._held:
            if address not in self._sites:
                await self._enter(address)

    async def _enter(self, address: str) -> None:
        site = web.SockSite(self._runner, self._held[address].dup(), backlog=BACKLOG)
        self._sites[address] = site
        await site.start()

    async def _leave(self, address: str) -> None:
        site = self._sites.pop(address, None)
        if site is not None:
            await site.stop()

    async def close(self) -> None:
        """Take what waits in the queues, and then nothing more."""
        await self.pause()
        for sock in self._held.values():
            with contextlib.suppress(OSError):
                await self._empty(sock)
            sock.close()
        self._held.clear()

    async def _empty(self, sock: socket.socket) -> None:
        """Who connected before the socket closed has been promised an answer."""
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None
        taken = 0
        while True:
            try:
                connection, _ = sock.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            await loop.connect_accepted_socket(server, connection)
            taken += 1
            if taken % AT_ONCE == 0:
                await asyncio.sleep(0)
