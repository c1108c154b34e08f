"""All workers of one supervisor: started, watched, replaced when they end, and told how the others are."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gwproxy.runtime import messages
from gwproxy.runtime.handing import Hands
from gwproxy.runtime.member import DRAINING, ENDED, SERVING, STARTING, Member
from gwproxy.runtime.plan import Plan
from gwproxy.runtime.restarts import Restarts
from gwproxy.runtime.starting import started
from gwproxy.runtime.status import WorkerStatus
from gwproxy.runtime.upgrade import Legacy
from gwproxy.telemetry.tally import Tally, merged

log = logging.getLogger("gwproxy")

WATCH_S: Final = 0.1
SILENT_S: Final = 2.0
"""A worker that says nothing for this long is stuck: it beats ten times a second."""
PREPARE_S: Final = 30.0
"""A worker that has not prepared a configuration by then makes everybody keep the old one."""
MARGIN_S: Final = 5.0
"""What a worker may take beyond its drain to end."""
AGAIN_S: Final = 1.0
"""After a process could not be started."""
START_S: Final = 30.0
"""A worker that is not there by then never will be."""


class Fleet:
    """`bring_up` has a new worker serve; `members` are all that live, in whatever state, `hands` the connections that
    none of them has, `gone` is what those that have ended had done, and `why` is why the last one that could not serve
    could not.
    """

    def __init__(self, environ: Mapping[str, str], bring_up: Callable[[Member], Awaitable[None]]) -> None:
        self._environ = environ
        self._bring_up = bring_up
        self._wanted = 0
        self._restarts: dict[int, Restarts] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.gone = Tally()
        self._changed = asyncio.Event()
        self.why = "no worker was started"
        self._closing = False
        self._ever = False
        self.hands = Hands(lambda: self.serving)
        self.members: list[Member] = []
        self.cut = 0

    @property
    def serving(self) -> list[Member]:
        """The workers that serve."""
        return [member for member in self.members if member.state == SERVING]

    @property
    def tally(self) -> Tally:
        """What all have done, those that are gone too: it never falls."""
        return merged([self.gone, *(member.tally for member in self.members)])

    @property
    def status(self) -> tuple[WorkerStatus, ...]:
        """How each worker is."""
        return tuple(
            member.status(self._restarts[member.number].count if member.number in self._restarts else 0)
            for member in sorted(self.members, key=lambda member: member.number)
        )

    def inherit(self, legacy: Legacy) -> None:
        """Take over the workers that an earlier supervisor has left: they serve, an older generation."""
        self.gone = legacy.gone
        self._ever = True
        for left in legacy.workers:
            member = Member(left.number, left.pid, socket.socket(fileno=left.channel), self)
            member.inherit(left)
            self.members.append(member)
        self.hands.take(legacy.orphans)

    async def replace(self, count: int, drain_s: float) -> bool:
        """Have `count` new workers instead of those there, one after another; False where one does not come up.

        Each old one serves until its successor does, and gives it what is idle.
        """
        before = list(self.members)
        old = {member.number: member for member in self.serving}
        self._wanted = count
        for number in range(count):
            # One may have come already in the place of an old one that has ended meanwhile.
            come = (member for member in self.members if member.number == number and member not in before)
            successor = next(come, None) or self._spawn(number, beside=True)
            while successor is not None and successor.state == STARTING:
                self._changed.clear()
                await self._changed.wait()
            if successor is None or successor.state != SERVING:
                # The others serve on; where one has ended meanwhile, another is started.
                self._fill()
                return False
            if number in old:
                old.pop(number).drain(drain_s, hand_over=True)
        for member in old.values():
            member.drain(drain_s, hand_over=True)
        return True

    async def start(self, count: int) -> None:
        """Start `count` workers, and wait for each. Where none serves, none is tried again."""
        self.resize(count, 0.0)
        await self.come_up()
        self._ever = bool(self.serving)
        if self._ever:
            self.resize(count, 0.0)

    def resize(self, count: int, drain_s: float) -> None:
        """Have `count` workers from now on; those too many end within `drain_s`."""
        self._wanted = count
        for member in self.members:
            if member.number >= count:
                member.drain(drain_s, hand_over=True)
        self._fill()

    def _fill(self) -> None:
        there = {member.number for member in self.members if member.state != DRAINING}
        for number in range(self._wanted):
            if number not in there:
                self._spawn(number)

    async def all_can_be_left(self) -> None:
        """Wait for those who have said their last word and are about to end: a successor could not hear of it."""
        while any(member.mute for member in self.members):
            self._changed.clear()
            await self._changed.wait()

    async def come_up(self) -> None:
        """Wait until no worker is starting: each serves, or has ended."""
        while any(member.state == STARTING for member in self.members):
            self._changed.clear()
            await self._changed.wait()

    def _spawn(self, number: int, *, beside: bool = False) -> Member | None:
        """Start a worker for a place that is free; `beside` one that serves there still. None where there is none."""
        there = (member for member in self.members if member.state in (STARTING, SERVING))
        taken = any(member.number == number for member in there)
        if self._closing or number >= self._wanted or (taken and not beside):
            return None
        self._restarts.setdefault(number, Restarts())
        try:
            member = Member(number, *started(self._environ), self)
        except OSError as error:
            self.why = f"a worker process cannot be started: {error.strerror or error}"
            log.error("worker %d: %s", number, self.why)
            if self._ever and not beside:
                # For want of memory, processes or descriptors: others may have more again soon.
                asyncio.get_running_loop().call_later(AGAIN_S, self._spawn, number)
            return None
        self.members.append(member)
        self._run(self._bring_up(member))
        return member

    def _run(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def serves(self, member: Member) -> None:
        """A worker has come up."""
        self._changed.set()
        self.hands.place()

    def leaves(self, member: Member) -> None:
        """A worker ends because somebody else has asked it to: its successor starts now, and not when it is gone."""
        if not self._closing:
            log.info("%r was asked to end; replaced at once", member)
            self._spawn(member.number)

    def handed(self, fds: list[int]) -> None:
        """Idle connections want another worker."""
        self.hands.take(fds)

    def ended(self, member: Member) -> None:
        """A worker's process is over, for whatever reason."""
        drained = member.state_before_end == DRAINING
        self.members.remove(member)
        self.gone = merged([self.gone, member.tally])
        self.cut += member.cut
        self._changed.set()
        self.why = member.why or self.why
        if self._closing or drained or not self._ever:
            return
        delay = self._restarts.setdefault(member.number, Restarts()).delay_s(time.monotonic() - member.began)
        log.error("%r ended: %s; replaced %s", member, member.why, f"in {delay:g} s" if delay else "at once")
        if delay:
            asyncio.get_running_loop().call_later(delay, self._spawn, member.number)
        else:
            self._spawn(member.number)

    async def watch(self) -> None:
        """See that every worker's loop turns, and tell each how the others are. Until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_S)
            now = time.monotonic()
            if now - last > SILENT_S / 2:
                # It was us who stood still: nobody can have been heard.
                for member in self.members:
                    member.heard_at = now
            last = now
            for member in list(self.members):
                if now - member.heard_at > (START_S if member.state == STARTING else SILENT_S):
                    member.stuck()
            self.tell()

    def tell(self) -> None:
        """Tell every worker how the others are."""
        there = [member for member in self.serving if member.fresh]
        if not there:
            return
        mean = sum(member.beat.connections for member in there) / len(there)
        accepting = sum(member.beat.accepting for member in there)
        for member in there:
            member.tell(messages.Fleet(mean, accepting > member.beat.accepting))

    async def prepare(self, plan: Plan) -> tuple[list[Member], str]:
        """Have every worker prepare `plan`: who has, or why not all could, with none of them keeping it."""
        members = self.serving
        waiting = [asyncio.create_task(member.prepare(plan.message, plan.fds)) for member in members]
        if not waiting:
            return [], ""
        done, late = await asyncio.wait(waiting, timeout=PREPARE_S)
        failures = [why for task in done if (why := task.result()) and why != ENDED]
        failures += [f"a worker was not ready within {PREPARE_S:g} s" for _ in late]
        for task in late:
            task.cancel()
        if failures:
            for member in members:
                member.forget(plan.generation)
        return members, "; ".join(dict.fromkeys(failures))

    async def swap(self, plan: Plan, prepared: list[Member]) -> None:
        """Have those that have prepared `plan`, which is in force, serve it; who came up meanwhile catches up."""
        await asyncio.gather(*(member.swap(plan.generation) for member in prepared))
        for member in self.serving:
            if member not in prepared:
                self._run(self._bring_up(member))

    async def reopen(self) -> None:
        """Have all write to new log files."""
        for member in self.members:
            member.tell(messages.Reopen())
        log.info("log files are opened anew")

    def drain(self, seconds: float) -> None:
        """Have all end within `seconds`; nobody is replaced any more."""
        self._closing = True
        for member in self.members:
            member.drain(seconds)

    async def stop(self, drain_s: float, at_once: asyncio.Event) -> int:
        """Have all end within `drain_s`, or `at_once`; how many connections were cut for it."""
        self.drain(drain_s)
        ending = asyncio.create_task(self.emptied(drain_s + MARGIN_S))
        hurry = asyncio.create_task(at_once.wait())
        await asyncio.wait((ending, hurry), return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not ending.done():
            self.drain(0.0)
            await asyncio.wait((ending,), timeout=MARGIN_S)
            ending.cancel()
        return self.cut

    async def emptied(self, within_s: float) -> None:
        """Wait until all have ended; who has not after `within_s` is killed."""
        try:
            async with asyncio.timeout(within_s):
                while self.members:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End all that are left, at once."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        self.hands.close()
        for member in self.members:
            member.kill()
        while self.members:
            self._changed.clear()
            await self._changed.wait()
