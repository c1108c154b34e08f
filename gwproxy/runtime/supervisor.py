"""The supervisor: it has no traffic, holds the listening sockets for life, and sees that workers serve on them.

docs/processes.md states what holds in each transition; the tests in tests/processes attack it. In short: a change is
in all workers or in none; a worker that ends takes only its own requests with it; nothing that waits in a listening
queue is lost to a worker's end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gwproxy import __version__
from gwproxy.config.problems import ConfigError
from gwproxy.runtime.fleet import Fleet
from gwproxy.runtime.listeners import ListenError, Listeners
from gwproxy.runtime.member import ENDED, Member
from gwproxy.runtime.outcome import Outcome, refusal
from gwproxy.runtime.plan import Plan
from gwproxy.runtime.reading import Reading, read_aside, restart_keys
from gwproxy.runtime.signals import Asked
from gwproxy.runtime.status import Status
from gwproxy.runtime.systemd import Notifier, inherited
from gwproxy.snapshot.compile import CompileError

log = logging.getLogger("gwproxy")

PREPARE_S: Final = 30.0
"""A worker that has not prepared a configuration by then makes everybody keep the old one."""

MARGIN_S: Final = 5.0
"""What a worker may take beyond its drain to end."""


class NoWorker(Exception):
    """No worker could be started; the text says why."""


class Supervisor:
    """One file, served by a fleet of workers."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._listeners = Listeners(inherited(environ))
        self._systemd = Notifier(environ)
        self._changing = asyncio.Lock()
        self._remarked: set[str] = set()
        self._plan: Plan | None = None
        self._stopping = False
        self._began = time.time()
        self._last_reload: tuple[str, ...] = ()
        self.fleet = Fleet(environ, self._bring_up)

    @property
    def plan(self) -> Plan:
        """What is in force."""
        assert self._plan is not None
        return self._plan

    async def run(self, reading: Reading, asked: Asked) -> None:
        """Serve `reading`, change and end as `asked`. Raises ListenError, and NoWorker where none could start."""
        gateway = reading.loaded.config.gateway
        instance = gateway.instance or secrets.token_hex(4)
        self._remark(reading)
        try:
            async with self._changing:
                self._plan = Plan(1, reading, self._listeners.opened(gateway.listen), instance)
                await self.fleet.start(workers_of(reading))
            if not self.fleet.serving:
                raise NoWorker(self.fleet.last_words())
            for address in self._listeners.shown():
                log.info("listening on %s", address)
            self._systemd.keep(self._listeners.own)
            self._systemd.ready(f"serving {self._path}")
            with contextlib.ExitStack() as tasks:
                for work in (self._reload_when(asked), self._reopen_when(asked), self.fleet.watch(), self._live()):
                    tasks.callback(asyncio.create_task(work).cancel)
                await asked.stop.wait()
            await self._stop(asked)
        finally:
            self._stopping = True
            await self.fleet.kill()
            self._listeners.close()
            if self._plan is not None:
                self._plan.close()

    async def _bring_up(self, member: Member) -> None:
        """Have a new worker serve what is in force, even if that changes meanwhile."""
        while member.state != ENDED:
            plan = self.plan
            why = await member.prepare(plan.message, plan.fds)
            if plan is not self._plan:
                member.forget(plan.generation)
                continue
            if not why:
                why = await member.swap(plan.generation)
            if why and why != ENDED:
                log.error("%r cannot serve: %s", member, why)
                member.kill()
                return
            if plan is self._plan:
                member.serves()
                return

    async def _live(self) -> None:
        """systemd's watchdog is fed while this loop turns and a worker does."""
        while self._systemd.watchdog_s is not None:
            if any(member.fresh for member in self.fleet.serving):
                self._systemd.alive()
            await asyncio.sleep(self._systemd.watchdog_s)

    # -- change

    def _remark(self, reading: Reading) -> None:
        """Say what the operator should know, once in the life of the process."""
        remarks = reading.remarks()
        for remark in remarks:
            if remark not in self._remarked:
                log.warning("%s", remark)
        self._remarked = set(remarks)

    async def _reload_when(self, asked: Asked) -> None:
        while True:
            await asked.reload.wait()
            # Before reading: who writes the file again while it is being read is heard again.
            asked.reload.clear()
            await self.reload()

    async def _reopen_when(self, asked: Asked) -> None:
        while True:
            await asked.reopen.wait()
            asked.reopen.clear()
            self.fleet.reopen()
            log.info("log files are opened anew")

    async def reload(self) -> Outcome:
        """Read the file again and have all workers serve it, or none. Never raises; the log tells the outcome too."""
        async with self._changing:
            self._systemd.reloading()
            try:
                outcome = await self._change()
            except (ConfigError, CompileError) as error:
                outcome = refusal(*map(str, error.problems), counted=str(self._path))
            except (ListenError, OSError) as error:
                outcome = refusal(str(error))
            except Exception as error:
                log.exception("reload failed")
                outcome = refusal(f"a mistake of gwproxy's own: {error!r}")
        outcome.tell()
        self._last_reload = outcome.lines
        if not self._stopping:
            # Also after a refusal: `systemctl reload` waits for it, and finds the reason in the status.
            self._systemd.ready(outcome.lines[-1])
        return outcome

    async def _change(self) -> Outcome:
        if self._stopping:
            return refusal("the gateway is stopping")
        reading = await read_aside(self._path, self._environ)
        held = restart_keys(self.plan.reading.loaded.config, reading.loaded.config)
        if held:
            return refusal(
                *(f"{name} cannot change while the gateway runs" for name in held),
                summary=f"restart for {', '.join(held)}",
            )
        sockets = self._listeners.opened(reading.loaded.config.gateway.listen)
        plan = Plan(self.plan.generation + 1, reading, sockets, self.plan.message.instance)
        why = await self._prepared(plan)
        if why or self._stopping:
            plan.close()
            self._listeners.only(self.plan.sockets)
            return refusal(why or "the gateway is stopping")
        await self._swap(plan)
        self._remark(reading)
        return Outcome(True, (f"reloaded {self._path}",))

    async def _prepared(self, plan: Plan) -> str:
        """Have every worker prepare `plan`; why not all could, with none of them keeping it."""
        members = self.fleet.serving
        waiting = [asyncio.create_task(member.prepare(plan.message, plan.fds)) for member in members]
        if not waiting:
            return ""
        done, late = await asyncio.wait(waiting, timeout=PREPARE_S)
        failures = [why for task in done if (why := task.result()) and why != ENDED]
        failures += [f"a worker was not ready within {PREPARE_S:g} s" for _ in late]
        for task in late:
            task.cancel()
        if failures:
            for member in members:
                member.forget(plan.generation)
        return "; ".join(dict.fromkeys(failures))

    async def _swap(self, plan: Plan) -> None:
        """Everybody is ready: from here there is no way back."""
        old, self._plan = self.plan, plan
        members = self.fleet.serving
        await asyncio.gather(*(member.swap(plan.generation) for member in members))
        self._listeners.only(plan.sockets)
        self._systemd.keep(self._listeners.own)
        old.close()
        gateway = plan.reading.loaded.config.gateway
        self.fleet.resize(workers_of(plan.reading), float(gateway.drain_timeout))

    # -- what it tells

    async def status(self) -> Status:
        """How it is now."""
        plan = self._plan
        workers = sorted(self.fleet.members, key=lambda member: member.number)
        return Status(
            version=__version__,
            pid=os.getpid(),
            state="stopping" if self._stopping else "serving" if self.fleet.serving else "starting",
            file=str(self._path),
            generation=plan.generation if plan is not None else 0,
            began=self._began,
            listeners=tuple(self._listeners.shown()),
            workers=tuple(member.status(self.fleet.restarts(member.number)) for member in workers),
            tally=self.fleet.tally,
            last_reload=self._last_reload,
        )

    # -- end

    async def _stop(self, asked: Asked) -> None:
        self._stopping = True
        drain = self.plan.reading.loaded.config.gateway.drain_timeout
        self._systemd.stopping(float(drain) + 2 * MARGIN_S)
        log.info("stopping: what is under way may end within %s, a second signal cuts it off", drain)
        # First ours: from here only those who have connected already wait, and workers take them all.
        self._listeners.close()
        self.fleet.drain(float(drain))
        ending = asyncio.create_task(self.fleet.emptied(float(drain) + MARGIN_S))
        at_once = asyncio.create_task(asked.at_once.wait())
        await asyncio.wait((ending, at_once), return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        if not ending.done():
            self.fleet.drain(0.0)
            await asyncio.wait((ending,), timeout=MARGIN_S)
            ending.cancel()
        cut = self.fleet.cut
        log.info("stopped, %d %s cut off", cut, "connection" if cut == 1 else "connections")


def workers_of(reading: Reading) -> int:
    """How many workers a configuration asks for."""
    asked = reading.loaded.config.gateway.workers
    return len(os.sched_getaffinity(0)) if asked == "auto" else asked


