"""One worker process as the supervisor knows it: its life, what it last said, and what is asked of it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
import time
from typing import Any, Final, Protocol

from msgspec.structs import replace

from gwproxy.runtime.asking import Answers
from gwproxy.runtime.channel import Channel
from gwproxy.runtime.messages import (
    VERSION,
    Adopt,
    Adopted,
    Beat,
    Done,
    Drain,
    Ended,
    Fleet,
    Forget,
    Handed,
    Hello,
    Leaving,
    Look,
    Prepare,
    Prepared,
    Refused,
    Reopen,
    Returned,
    Seen,
    Swap,
    Swapped,
    encode,
    to_supervisor,
)
from gwproxy.runtime.status import WorkerStatus
from gwproxy.runtime.upgrade import Left
from gwproxy.telemetry.tally import Tally

log = logging.getLogger("gwproxy")

STARTING: Final = "starting"
SERVING: Final = "serving"
DRAINING: Final = "draining"
ENDED: Final = "ended"

LAST_WORDS_S: Final = 0.2
"""Between the signal that has a stuck worker tell where it stands, and the one that ends it."""


class Watcher(Protocol):
    """Who is told what becomes of a worker."""

    def serves(self, member: Member) -> None:
        """It serves what is in force."""

    def leaves(self, member: Member) -> None:
        """It has begun to drain, without having been asked by us."""

    def handed(self, fds: list[int]) -> None:
        """It gives its idle connections away."""

    def tell(self) -> None:
        """Somebody's share has changed: all should know."""

    def ended(self, member: Member) -> None:
        """Its process is over."""


class Member:
    """A worker. `number` is its place in the fleet, which its successor will have; `channel` is our end of the pair."""

    def __init__(self, number: int, pid: int, channel: socket.socket, fleet: Watcher) -> None:
        self.number = number
        self.pid = pid
        self.state = STARTING
        self.generation = 0
        self.beat = Beat()
        self.tally = Tally()
        self.began = self.heard_at = time.monotonic()
        self.why = ""
        self.cut = 0
        self._killed = False
        self.state_before_end = STARTING
        # Connections given to it that it has not said yet that it has; their descriptors are ours to close.
        self._giving: dict[int, list[int]] = {}
        self._gifts = itertools.count()
        self._fleet = fleet
        self._answers = Answers(ENDED)
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._reap)
        self._channel = Channel(
            channel, encode=encode, decode=to_supervisor, heard=self._hear, lost=lambda: None
        )

    def __repr__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"

    @property
    def left(self) -> Left:
        """What the next supervisor needs to know of it."""
        return Left(self.number, self.pid, self._channel.fileno(), self.state, self.tally, self._giving)

    @property
    def mute(self) -> bool:
        """Whether it has closed its end of the channel."""
        return self._channel.closed

    @property
    def fresh(self) -> bool:
        """Whether it has been heard of just now."""
        return time.monotonic() - self.heard_at < 0.3

    # -- what it says

    def _hear(self, message: Any, fds: list[int]) -> None:
        self.heard_at = time.monotonic()
        if isinstance(message, Beat):
            self.beat = message
            if message.look:
                self._fleet.tell()
        elif isinstance(message, Done):
            # Each tells of some services; what was said of the others holds.
            self.tally = replace(message.tally, by_service=self.tally.by_service | message.tally.by_service)
        elif isinstance(message, Prepared):
            self._answers.settle("prepare", message.generation, "")
        elif isinstance(message, Refused):
            self.why = message.why
            self._answers.settle("prepare", message.generation, message.why or "refused")
        elif isinstance(message, Swapped):
            self.generation = message.generation
            self._answers.settle("swap", message.generation, "")
        elif isinstance(message, Handed):
            self._fleet.handed(fds)
        elif isinstance(message, Leaving):
            if self.state == SERVING:
                self.state = DRAINING
                self._answers.end()
                self._fleet.leaves(self)
        elif isinstance(message, Adopted):
            for fd in self._giving.pop(message.number, []):
                os.close(fd)
        elif isinstance(message, Returned):
            self._fleet.handed(self._giving.pop(message.number, []))
        elif isinstance(message, Seen):
            self._answers.settle("look", message.number, message)
        elif isinstance(message, Ended):
            self.cut = message.cut
        elif isinstance(message, Hello) and message.version != VERSION:
            self.kill()

    # -- what is asked of it

    async def prepare(self, message: Prepare, fds: list[int]) -> str:
        """ "" when it has prepared, else why it could not. A worker that ends meanwhile says "ended"."""
        if self.state == ENDED:
            return ENDED
        self._channel.say(message, fds)
        why: str = await self._answers.wait("prepare", message.generation)
        return why

    async def swap(self, generation: int) -> str:
        """ "" when it serves `generation`; "ended" as for `prepare`."""
        if self.state == ENDED:
            return ENDED
        self._channel.say(Swap(generation))
        why: str = await self._answers.wait("swap", generation)
        return why

    async def look(self, message: Look) -> Seen | None:
        """What it tells of a caller; None where it ends meanwhile."""
        if self.state == ENDED:
            return None
        self._channel.say(message)
        answer = await self._answers.wait("look", message.number)
        return answer if isinstance(answer, Seen) else None

    def forget(self, generation: int) -> None:
        """What was prepared is not wanted."""
        self._channel.say(Forget(generation))

    def drain(self, seconds: float, *, hand_over: bool = False) -> None:
        """Finish within `seconds` and end; `hand_over` what is idle."""
        if self.state != ENDED:
            self.state = DRAINING
            self._channel.say(Drain(seconds, hand_over))

    @property
    def load(self) -> int:
        """Connections that it has, counting what it is being given."""
        return self.beat.connections + sum(map(len, self._giving.values()))

    def adopt(self, fds: list[int]) -> None:
        """Serve these connections. What it has not taken when it ends comes back as `handed`."""
        number = next(self._gifts)
        self._giving[number] = fds
        self._channel.say(Adopt(number), fds)

    def inherit(self, left: Left) -> None:
        """Be what an earlier supervisor has left."""
        self.state, self.tally, self._giving = left.state, left.tally, left.giving
        self._gifts = itertools.count(max(left.giving, default=-1) + 1)

    def serves(self) -> None:
        """It has swapped in what is in force."""
        if self.state == STARTING:
            self.state = SERVING
            self._fleet.serves(self)

    def tell(self, message: Fleet | Reopen) -> None:
        """What wants no answer."""
        self._channel.say(message)

    def status(self, restarts: int) -> WorkerStatus:
        """How it is now."""
        return WorkerStatus(
            number=self.number, pid=self.pid, state=self.state, generation=self.generation,
            connections=self.beat.connections, accepting=self.beat.accepting, short=self.beat.short,
            exchanges=self.tally.exchanges, lived_s=time.monotonic() - self.began, restarts=restarts,
            longest_gc_ms=round(self.beat.longest_gc_s * 1000, 3),
            store_trouble=self.beat.trouble, store_failures=self.beat.failures, store_evicts=self.beat.evicts,
            key_trouble=self.beat.keys,
        )  # fmt: skip

    # -- its end

    def stuck(self) -> None:
        """Its loop does not turn: have it say where it stands, and end it."""
        if not self._killed:
            log.error("%r has not been heard of for %.1f s: ended", self, time.monotonic() - self.heard_at)
            self._killed = True
            self._signal(signal.SIGABRT)
            self._loop.call_later(LAST_WORDS_S, self._signal, signal.SIGKILL)

    def kill(self) -> None:
        """End it at once."""
        self._killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.state != ENDED:
            signal.pidfd_send_signal(self._pidfd, number)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._pidfd)
        self.state_before_end, self.state = self.state, ENDED
        # The last it had to say may still wait there.
        self._channel.read_rest()
        self._channel.close()
        self.why = self.why or _how(code)
        self._answers.end()
        if self._killed:
            self.cut = self.beat.connections
        self._fleet.ended(self)
        # Last, when it is no more among those that could take them.
        given, self._giving = [fd for fds in self._giving.values() for fd in fds], {}
        self._fleet.handed(given)


def _how(code: int) -> str:
    """How a process ended, for people."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
