"""What every fake service has in common: a listener, its connections, its end."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.wire import Wire


class Served:
    """Listens on a free loopback port; `serve` is called for each connection."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server

    @property
    def connections(self) -> int:
        """How many connections were ever accepted."""
        return len(self.wires)

    @property
    def open_connections(self) -> int:
        """How many connections neither end has left."""
        return sum(wire.end is None and not wire.transport.is_closing() for wire in self.wires)

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, wire: Wire, number: int) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        made = loop.create_server(lambda: Wire(self._accept), "127.0.0.1", 0)
        self._server = await made

    def _accept(self, wire: Wire) -> None:
        self.wires.append(wire)
        task = asyncio.ensure_future(self._run(wire, len(self.wires)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, wire: Wire, number: int) -> None:
        try:
            await self.serve(wire, number)
        finally:
            wire.close()

    async def stop_listening(self) -> None:
        """New connections are refused from now on; the open ones go on."""
        self._server.close()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in self.wires:
            wire.transport.abort()
        await self._server.wait_closed()
