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

from gwproxy import __version__
from gwproxy.config.problems import ConfigError
from gwproxy.runtime.fleet import MARGIN_S, Fleet
from gwproxy.runtime.folder import RuntimeFolder
from gwproxy.runtime.held_back import hear
from gwproxy.runtime.intake import allow_descriptors
from gwproxy.runtime.listeners import ListenError, Listeners, told_with_place
from gwproxy.runtime.member import DRAINING, ENDED, SERVING, Member
from gwproxy.runtime.outcome import Outcome, refusal
from gwproxy.runtime.plan import Plan
from gwproxy.runtime.private_store import PrivateStore
from gwproxy.runtime.reading import Reading, read_aside, restart_keys, workers_of
from gwproxy.runtime.signals import Asked, whenever
from gwproxy.runtime.status import Status, services_of
from gwproxy.runtime.systemd import Notifier, inherited
from gwproxy.runtime.upgrade import (
    Legacy,
    become,
    faults_by_new_code,
    hold_signals,
    named_sockets_of,
    sockets_of,
    words_of,
)

log = logging.getLogger("gwproxy")

class NoWorker(Exception):
    """No worker could be started; the text says why."""


class Supervisor:
    """One file, served by a fleet of workers."""

    def __init__(
        self, path: Path, environ: Mapping[str, str], folder: RuntimeFolder, asked: Asked,
        store: PrivateStore, legacy: Legacy | None = None,
    ) -> None:  # fmt: skip
        self._path = path
        self._environ = environ
        self._folder = folder
        self._asked = asked
        self._legacy = legacy
        self._store = store
        if legacy is None:
            self._listeners = Listeners(inherited(environ))
        else:
            self._listeners = Listeners(named_sockets_of(legacy.inherited), sockets_of(legacy.sockets))
        self._systemd = Notifier(environ)
        self._changing = asyncio.Lock()
        self._remarked: set[str] = set()
        self._plan: Plan | None = None
        self._stopping = False
        self._began = legacy.began if legacy else time.time()
        self._last_reload: tuple[str, ...] = ()
        self._descriptors = 0
        self.fleet = Fleet(environ, self._bring_up)

    @property
    def plan(self) -> Plan:
        """What is in force."""
        assert self._plan is not None
        return self._plan

    async def run(self, reading: Reading) -> None:
        """Serve `reading`, change and end as asked. Raises ListenError, and NoWorker where none could start."""
        self._remark(reading)
        asked = self._asked
        try:
            with contextlib.ExitStack() as tasks:
                works = (
                    self.fleet.watch(), self._live(), whenever(asked.reload, self.reload),
                    whenever(asked.reopen, self.fleet.reopen), whenever(asked.upgrade, self.upgrade),
                )  # fmt: skip
                # Whoever wants to change something waits for the start.
                async with self._changing:
                    for work in works:
                        tasks.callback(asyncio.create_task(work).cancel)
                    await self._start(reading)
                self._systemd.keep(self._listeners.own)
                self._systemd.ready(f"serving {self._path}")
                await asked.stop.wait()
                await self._stop()
        finally:
            self._stopping = True
            await self.fleet.kill()
            self._listeners.close()
            if self._plan is not None:
                self._plan.close()

    async def _start(self, reading: Reading) -> None:
        gateway, legacy = reading.loaded.config.gateway, self._legacy
        instance = legacy.instance if legacy else gateway.instance or secrets.token_hex(4)
        with told_with_place(reading.loaded):
            sockets = self._listeners.opened(gateway.listen)
        self._systemd.forget(self._listeners.unclaimed())
        self._descriptors = allow_descriptors(gateway.max_connections)
        self._plan = Plan(legacy.generation + 1 if legacy else 1, reading, sockets, instance, self._store.url)
        if legacy is not None:
            await self._succeed(legacy, reading)
        else:
            await self.fleet.start(workers_of(reading))
        if not self.fleet.serving:
            raise NoWorker(self.fleet.why)
        for address in self._listeners.shown():
            log.info("listening on %s", address)

    async def _succeed(self, legacy: Legacy, reading: Reading) -> None:
        """The supervisor before this one was upgraded: its workers make place for new ones, one after another."""
        self.fleet.inherit(legacy)
        drain = float(reading.loaded.config.gateway.drain_timeout)
        if await self.fleet.replace(workers_of(reading), drain):
            outcome = Outcome(True, (f"upgraded to gwproxy {__version__}",))
        else:
            why = f"a new worker could not start, the old ones serve on: {self.fleet.why}"
            outcome = Outcome(False, (why,))
        outcome.tell()
        self._last_reload = outcome.lines
        self._listeners.only(self.plan.sockets)

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

    async def upgrade(self) -> Outcome:
        """Have the code that is installed now take this process over. What it says of the file is told if it refuses.

        Returns only where it is refused; who waits for the answer finds the connection closed.
        """
        async with self._changing:
            faults = await faults_by_new_code(self._path, self._environ, self._listeners.addresses)
            faults += self._folder.faults()
            try:
                await hold_signals()
                await self.fleet.all_can_be_left()
                if faults:
                    outcome = refusal(*faults, summary="the new code could not take over", what="upgrade")
                elif self._asked.stop.is_set():
                    outcome = refusal("the gateway is stopping", what="upgrade")
                else:
                    log.info("upgrading: new code in place of gwproxy %s", __version__)
                    outcome = self._become()
            finally:
                hear()
        outcome.tell()
        return outcome

    def _become(self) -> Outcome:
        sockets, named = self._listeners.fds
        legacy = Legacy(
            generation=self.plan.generation, instance=self.plan.message.instance, began=self._began,
            lock=self._folder.lock, sockets=sockets, inherited=named, store=self._store.pid,
            gone=self.fleet.gone, orphans=self.fleet.hands.orphans,
            workers=tuple(member.left for member in self.fleet.members if member.state in (SERVING, DRAINING)),
        )  # fmt: skip
        try:
            return become(legacy, words_of(self._path, self._folder.path), self._environ)
        except OSError as error:
            return refusal(f"the new code cannot be started: {error}", what="upgrade")

    async def reload(self) -> Outcome:
        """Read the file again and have all workers serve it, or none. Never raises; the log tells the outcome too."""
        async with self._changing:
            self._systemd.reloading()
            try:
                outcome = await self._change()
            except ConfigError as error:
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
        with told_with_place(reading.loaded):
            sockets = self._listeners.opened(reading.loaded.config.gateway.listen)
        instance, store = self.plan.message.instance, self._store.url
        plan = Plan(self.plan.generation + 1, reading, sockets, instance, store)
        prepared, why = await self.fleet.prepare(plan)
        if why or self._stopping:
            plan.close()
            self._listeners.only(self.plan.sockets)
            return refusal(why or "the gateway is stopping")
        await self._swap(plan, prepared)
        self._remark(reading)
        return Outcome(True, (f"reloaded {self._path}",))

    async def _swap(self, plan: Plan, prepared: list[Member]) -> None:
        """Everybody is ready: from here there is no way back."""
        old, self._plan = self.plan, plan
        await self.fleet.swap(plan, prepared)
        self._listeners.only(plan.sockets)
        self._systemd.keep(self._listeners.own)
        old.close()
        gateway = plan.reading.loaded.config.gateway
        self.fleet.resize(workers_of(plan.reading), float(gateway.drain_timeout))
        await self.fleet.come_up()

    # -- what it tells

    async def status(self) -> Status:
        """How it is now."""
        plan, tally = self._plan, self.fleet.tally
        return Status(
            version=__version__,
            pid=os.getpid(),
            state="stopping" if self._stopping else "serving" if self.fleet.serving else "starting",
            file=str(self._path),
            generation=plan.generation if plan is not None else 0,
            began=self._began,
            descriptors=self._descriptors,
            listeners=tuple(self._listeners.shown()),
            workers=self.fleet.status,
            services=services_of(tally),
            tally=tally,
            last_reload=self._last_reload,
        )

    # -- end

    async def _stop(self) -> None:
        self._stopping = True
        drain = self.plan.reading.loaded.config.gateway.drain_timeout
        self._systemd.stopping(float(drain) + 2 * MARGIN_S)
        log.info("stopping: what is under way may end within %s, a second signal cuts it off", drain)
        # First ours: from here only those who have connected already wait, and workers take them all.
        self._listeners.close()
        cut = await self.fleet.stop(float(drain), self._asked.at_once)
        log.info("stopped, %d %s cut off", cut, "connection" if cut == 1 else "connections")
