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
import sys
from contextlib import ExitStack
from typing import Any, Final

import uvloop

from gwproxy.runtime.channel import MOST_FDS, Channel
from gwproxy.runtime.generations import Generations
from gwproxy.runtime.looking import seen
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
    Look,
    Prepare,
    Reopen,
    Returned,
    Swap,
    encode,
    to_worker,
)
from gwproxy.telemetry.tally import parts, tally

log = logging.getLogger("gwproxy")

BEAT_S: Final = 0.1
BEATS_A_TALLY: Final = 10
SERVICES_A_PACKET: Final = 16
"""Each may have two times some 200 buckets, and a packet has 64 KiB."""


class Child:
    """This process. Everything it is told is heard in `heard`, one thing after another."""

    def __init__(self, control: socket.socket, held: ExitStack) -> None:
        self._asked: asyncio.Queue[tuple[Any, list[int]]] = asyncio.Queue()
        self._has = Generations(held, lambda: self._asked.put_nowait((None, [])))
        self._drain_s: float | None = None
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._hands_over = False
        self._adopting: set[asyncio.Task[None]] = set()
        self._looking: set[asyncio.Task[None]] = set()
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
        elif isinstance(message, Look):
            # Out of turn too: who asks does not wait until a configuration is prepared.
            looking = asyncio.create_task(self._look(message))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)
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
            for looking in self._looking:
                looking.cancel()
            beating.cancel()
            self._channel.close()

    async def _end(self) -> None:
        worker = self._has.worker
        if worker is None:
            return
        if self._hands_over:
            await worker.accepting.close()
            self._hand_over(worker.server.hand_over())
        cut = await worker.stop(self._drain_s, at_once=self._hurry)
        self._say_done()
        self._channel.say(Ended(cut))
        self._has.collector.stop()

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
        assert self._has.worker is not None
        loop = asyncio.get_running_loop()
        for fd in fds:
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            try:
                await loop.connect_accepted_socket(self._has.worker.server, sock)
            except OSError:
                sock.close()
        self._channel.say(Adopted(message.number))

    async def _look(self, message: Look) -> None:
        """What the store knows of a caller: it is asked beside the requests."""
        worker = self._has.worker
        self._channel.say(await seen(None if worker is None else worker.live.limits, message))

    def _obeyed(self, task: asyncio.Task[None]) -> None:
        """A worker that can't be told anything any more makes place for another."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("this worker has failed and ends", exc_info=error)
            self._asked_to_leave()

    async def _obey(self) -> None:
        while True:
            message, fds = await self._asked.get()
            if isinstance(message, Prepare):
                self._channel.say(await self._has.prepare(message, fds))
            elif isinstance(message, Swap):
                self._channel.say(await self._has.swap(message.generation))
            elif isinstance(message, Forget):
                self._has.forget(message.generation)
            elif isinstance(message, Adopt):
                # To its end, even if this worker is to end: half taken, they would be nobody's.
                adopting = asyncio.create_task(self._adopt(message, fds))
                self._adopting.add(adopting)
                adopting.add_done_callback(self._adopting.discard)
                await asyncio.shield(adopting)
            elif isinstance(message, Reopen):
                if self._has.lines is not None:
                    self._has.lines.reopen()
            elif (intake := self._has.intake) is not None:
                # How the others are (Fleet), or that there is one connection too many (None).
                intake.fleet = message or intake.fleet
                changed = await intake.balance()
                if changed or message is None:
                    self._say_beat(look=True)

    # -- its pulse

    async def _beat(self) -> None:
        for number in itertools.count():
            self._say_beat()
            if number % BEATS_A_TALLY == 0:
                self._say_done()
            await asyncio.sleep(BEAT_S)

    def _say_beat(self, *, look: bool = False) -> None:
        worker, intake = self._has.worker, self._has.intake
        if worker is not None and intake is not None:
            worker.settle()
            open_now, accepting = len(worker.server.connections), worker.accepting.on
            limits = worker.live.limits
            store = limits.trouble[:200], limits.failures, limits.evicts[:200], worker.live.issuers.trouble[:200]
            self._channel.say(Beat(open_now, accepting, self._has.collector.longest_s, look, intake.short, *store))

    def _say_done(self) -> None:
        if self._has.worker is not None:
            lost = self._has.lines.lost if self._has.lines is not None else 0
            for part in parts(tally(self._has.worker.counters, lost), SERVICES_A_PACKET):
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
