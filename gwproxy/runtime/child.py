"""`python -m gwproxy.runtime.child FD`: one worker process, told what to do over the socket FD by the supervisor.

It serves until it is told to drain, or until the supervisor is gone: then it finishes its requests and ends, so that
no orphan holds a port. What it has prepared is swapped in only when the supervisor says that all have.
"""

from __future__ import annotations

import asyncio
import faulthandler
import itertools
import logging
import os
import signal
import socket
import ssl
import sys
from contextlib import ExitStack
from typing import Any, Final

import msgspec
import uvloop

from gwproxy.runtime.channel import MOST_FDS, Channel
from gwproxy.runtime.collector import Collector, undisturbed
from gwproxy.runtime.intake import Intake
from gwproxy.runtime.log import logging_to
from gwproxy.runtime.messages import (
    VERSION,
    Adopt,
    Adopted,
    Beat,
    Done,
    Drain,
    Ended,
    Forget,
    Handed,
    Hello,
    Leaving,
    Prepare,
    Prepared,
    Refused,
    Reopen,
    Returned,
    Swap,
    Swapped,
    encode,
    to_worker,
    unpacked,
)
from gwproxy.runtime.worker import Ready, Worker
from gwproxy.telemetry.tally import parts, tally
from gwproxy.telemetry.writer import AccessLog

log = logging.getLogger("gwproxy")

BEAT_S: Final = 0.1
BEATS_A_TALLY: Final = 10
SERVICES_A_PACKET: Final = 16
"""Each may have two times some 200 buckets, and a packet has 64 KiB."""


class Child:
    """This process. Everything it is told is heard in `heard`, one thing after another."""

    def __init__(self, control: socket.socket, held: ExitStack) -> None:
        self._held = held
        self._worker: Worker | None = None
        self._collector = Collector()
        self._lines: AccessLog | None = None
        self._ready: dict[int, tuple[Ready | None, dict[str, socket.socket]]] = {}
        self._asked: asyncio.Queue[tuple[Any, list[int]]] = asyncio.Queue()
        self._drain_s: float | None = None
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._hands_over = False
        self._intake: Intake | None = None
        self._adopting: set[asyncio.Task[None]] = set()
        self._channel = Channel(
            control, encode=encode, decode=to_worker, heard=self._hear, lost=self._orphaned
        )

    def _hear(self, message: Any, fds: list[int]) -> None:
        if isinstance(message, Adopt) and self._draining.is_set():
            self._return(message, fds)
            return
        if isinstance(message, Drain):
            # Out of turn: whatever is being prepared is of no more use.
            self.drain(message.seconds, hand_over=message.hand_over)
        else:
            self._asked.put_nowait((message, fds))

    def _orphaned(self) -> None:
        log.warning("the supervisor is gone: finishing what is under way")
        self.drain(None)

    def _asked_to_leave(self) -> None:
        """SIGTERM to this process alone: a successor is needed, and may have what is idle here."""
        self._channel.say(Leaving())
        self.drain(None, hand_over=True)

    def drain(self, seconds: float | None, *, hand_over: bool = False) -> None:
        """End within `seconds`; None: within the configuration's drain_timeout. At once where that is 0."""
        if not seconds and seconds is not None:
            self._hurry.set()
        if not self._draining.is_set():
            self._drain_s = seconds
            self._hands_over = hand_over
            self._draining.set()

    async def run(self) -> None:
        """Serve, until the drain is over."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_leave)
        self._channel.say(Hello(VERSION, os.getpid()))
        serving = asyncio.create_task(self._obey())
        serving.add_done_callback(self._obeyed)
        beating = asyncio.create_task(self._beat())
        try:
            await self._draining.wait()
        finally:
            serving.cancel()
            await asyncio.wait((serving, *self._adopting))
            while not self._asked.empty():
                message, fds = self._asked.get_nowait()
                if isinstance(message, Adopt):
                    self._return(message, fds)
            await self._end()
            beating.cancel()
            self._channel.close()

    async def _end(self) -> None:
        if self._worker is None:
            return
        if self._hands_over:
            await self._worker.accepting.close()
            self._hand_over(self._worker.server.hand_over())
        cut = await self._worker.stop(self._drain_s, at_once=self._hurry)
        self._say_done()
        self._channel.say(Ended(cut))
        self._collector.stop()

    def _hand_over(self, fds: list[int]) -> None:
        for at in range(0, len(fds), MOST_FDS):
            self._channel.say(Handed(), fds[at : at + MOST_FDS])
        for fd in fds:
            os.close(fd)

    def _return(self, message: Adopt, fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)
        self._channel.say(Returned(message.number))

    async def _adopt(self, message: Adopt, fds: list[int]) -> None:
        """Connections that another worker had. One that its caller has closed meanwhile tells so when it is read."""
        assert self._worker is not None
        loop = asyncio.get_running_loop()
        for fd in fds:
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            try:
                await loop.connect_accepted_socket(self._worker.server, sock)
            except OSError:
                sock.close()
        self._channel.say(Adopted(message.number))

    def _obeyed(self, task: asyncio.Task[None]) -> None:
        """A worker that can't be told anything any more makes place for another."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("this worker has failed and ends", exc_info=error)
            self._asked_to_leave()

    async def _obey(self) -> None:
        while True:
            message, fds = await self._asked.get()
            if isinstance(message, Prepare):
                await self._prepare(message, fds)
            elif isinstance(message, Swap):
                await self._swap(message.generation)
            elif isinstance(message, Forget):
                self._forget(message.generation)
            elif isinstance(message, Adopt):
                # To its end, even if this worker is to end: half taken, they would be nobody's.
                adopting = asyncio.create_task(self._adopt(message, fds))
                self._adopting.add(adopting)
                adopting.add_done_callback(self._adopting.discard)
                await asyncio.shield(adopting)
            elif isinstance(message, Reopen):
                if self._lines is not None:
                    self._lines.reopen()
            elif self._intake is not None:
                # How the others are (Fleet), or that there is one connection too many (None).
                self._intake.fleet = message or self._intake.fleet
                changed = await self._intake.balance()
                if changed or message is None:
                    self._say_beat(look=True)

    # -- a configuration

    async def _prepare(self, message: Prepare, fds: list[int]) -> None:
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
            if self._worker is not None:
                self._worker.forget()
            self._channel.say(Refused(message.generation, str(error)))
            return
        self._channel.say(Prepared(message.generation))

    async def _made(self, message: Prepare, data: bytes) -> Ready | None:
        """What can be swapped in; None for the first, which is in the worker already."""
        with undisturbed():
            loaded = unpacked(data)
        if self._worker is not None:
            return await self._worker.prepare(loaded)
        logs = loaded.config.log
        self._held.enter_context(logging_to(sys.stderr, logs.format))
        if logs.access:
            self._lines = AccessLog(logs.format, logs.file)
            self._lines.use(logs.sample, logs.redact)
            self._held.callback(self._lines.close)
        worker = Worker(loaded, record=self._lines, instance=message.instance, store=message.store)
        # It has its routes before it has its sockets, which it is given by the first swap.
        await worker.start({})
        self._worker = worker
        self._intake = Intake(worker, lambda: self._asked.put_nowait((None, [])))
        self._collector.start(lambda: worker.counters.exchanges)
        return None

    async def _swap(self, generation: int) -> None:
        ready, sockets = self._ready.pop(generation)
        assert self._worker is not None
        if ready is not None:
            self._worker.swap(ready)
            if self._lines is not None:
                logs = ready.loaded.config.log
                self._lines.use(logs.sample, logs.redact)
            self._collector.replaced()
        await self._worker.accepting.use(sockets)
        self._channel.say(Swapped(generation))

    def _forget(self, generation: int) -> None:
        _, sockets = self._ready.pop(generation, (None, {}))
        for sock in sockets.values():
            sock.close()
        if self._worker is not None:
            self._worker.forget()

    # -- its pulse

    async def _beat(self) -> None:
        for number in itertools.count():
            self._say_beat()
            if number % BEATS_A_TALLY == 0:
                self._say_done()
            await asyncio.sleep(BEAT_S)

    def _say_beat(self, *, look: bool = False) -> None:
        worker, intake = self._worker, self._intake
        if worker is not None and intake is not None:
            worker.settle()
            open_now, accepting = len(worker.server.connections), worker.accepting.on
            store = worker.live.limits.trouble[:200], worker.live.limits.failures
            self._channel.say(Beat(open_now, accepting, self._collector.longest_s, look, intake.short, *store))

    def _say_done(self) -> None:
        if self._worker is not None:
            lost = self._lines.lost if self._lines is not None else 0
            for part in parts(tally(self._worker.counters, lost), SERVICES_A_PACKET):
                self._channel.say(Done(part))


async def _serve(number: int) -> None:
    with ExitStack() as held:
        await Child(socket.socket(fileno=number), held).run()


def main(words: list[str]) -> None:
    """Be a worker."""
    faulthandler.enable()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        # The terminal sends these to everybody; they are the supervisor's to heed.
        signal.signal(number, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(words[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
