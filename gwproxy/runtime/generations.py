"""The configurations of one worker process: prepared beside the one that is served, then swapped in, or forgotten."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from gwproxy.config.either import redacted
from gwproxy.runtime.collector import Collector, undisturbed
from gwproxy.runtime.intake import Intake
from gwproxy.runtime.log import logging_to
from gwproxy.runtime.messages import Prepare, Prepared, Refused, Swapped, unpacked
from gwproxy.runtime.worker import Ready, Worker
from gwproxy.telemetry.writer import AccessLog


class Generations:
    """`worker` serves them, once the first is prepared; `lines` is its access log and `intake` its share of callers.

    `held` closes what is opened for the life of the process; `crowded` is called when there is a connection too many.
    """

    def __init__(self, held: ExitStack, crowded: Callable[[], None]) -> None:
        self._held = held
        self._crowded = crowded
        self._ready: dict[int, tuple[Ready | None, dict[str, socket.socket]]] = {}
        self.collector = Collector()
        self.worker: Worker | None = None
        self.lines: AccessLog | None = None
        self.intake: Intake | None = None

    async def prepare(self, message: Prepare, fds: list[int]) -> Prepared | Refused:
        """Make what `message` asks for; its descriptors are ours from here."""
        # The file in memory is everybody's, and so is where its reader stands.
        data = os.pread(fds[0], os.fstat(fds[0]).st_size, 0)
        os.close(fds[0])
        sockets = {
            address: socket.socket(fileno=fd)
            for address, fd in zip(message.listeners, fds[1:], strict=True)
        }
        for sock in sockets.values():
            sock.setblocking(False)
        try:
            self._ready[message.generation] = await self._made(message, data), sockets
        except (OSError, ssl.SSLError, msgspec.MsgspecError) as error:
            for sock in sockets.values():
                sock.close()
            if self.worker is not None:
                self.worker.forget()
            return Refused(message.generation, str(error))
        return Prepared(message.generation)

    async def _made(self, message: Prepare, data: bytes) -> Ready | None:
        """What can be swapped in; None for the first, which is in the worker already."""
        with undisturbed():
            loaded = unpacked(data)
        if self.worker is not None:
            return await self.worker.prepare(loaded)
        logs = loaded.config.log
        self._held.enter_context(logging_to(sys.stderr, logs.format))
        if logs.access:
            self.lines = AccessLog(logs.format, logs.file)
            self.lines.use(logs.sample, redacted(loaded.config))
            self._held.callback(self.lines.close)
        worker = Worker(loaded, record=self.lines, instance=message.instance, store=message.store)
        # It has its routes before it has its sockets, which it is given by the first swap.
        await worker.start({})
        self.worker = worker
        self.intake = Intake(worker, self._crowded)
        self.collector.start(lambda: worker.counters.exchanges)
        return None

    async def swap(self, generation: int) -> Swapped:
        """Serve what was prepared, from the next request on."""
        ready, sockets = self._ready.pop(generation)
        assert self.worker is not None
        if ready is not None:
            self.worker.swap(ready)
            if self.lines is not None:
                config = ready.loaded.config
                self.lines.use(config.log.sample, redacted(config))
            self.collector.replaced()
        await self.worker.accepting.use(sockets)
        return Swapped(generation)

    def forget(self, generation: int) -> None:
        """Let go of what was prepared: nobody will serve it."""
        _, sockets = self._ready.pop(generation, (None, {}))
        for sock in sockets.values():
            sock.close()
        if self.worker is not None:
            self.worker.forget()
