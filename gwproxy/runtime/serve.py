"""`gwproxy run` without its command line: one process that serves a file until it is told to stop.

SIGTERM and SIGINT let what is under way end within drain_timeout; a second one cuts it off. SIGHUP reads the file
again: it is served from the next request on, or nothing changes and the log says why.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import ConfigError, dotted
from gwproxy.config.schema import Config
from gwproxy.runtime.collector import Collector
from gwproxy.runtime.listeners import told_with_place
from gwproxy.runtime.log import logging_to
from gwproxy.runtime.reading import Reading, read_aside
from gwproxy.runtime.signals import Asked, signals
from gwproxy.runtime.worker import Worker
from gwproxy.telemetry.writer import AccessLog

log = logging.getLogger("gwproxy")

# Decided when the process starts: sockets, processes, the name in Via, and where and how lines are written.
NEEDS_RESTART: Final = (
    ("gateway", "listen"),
    ("gateway", "workers"),
    ("gateway", "instance"),
    ("log", "access"),
    ("log", "format"),
)


async def serve(
    path: Path, environ: Mapping[str, str], *, access: IO[str] | None = None, own: IO[str] | None = None
) -> None:
    """Serve the file at `path` until a signal ends it. Access lines go to `access` (stdout), all others to `own`
    (stderr). Raises ConfigError, ListenError, OSError before it has begun to listen."""
    with ExitStack() as held:
        asked = held.enter_context(signals())
        reading = await read_aside(path, environ)
        form = reading.loaded.config.log.format
        held.enter_context(logging_to(own or sys.stderr, form))
        held.enter_context(told_with_place(reading.loaded))
        lines = AccessLog(form, access) if reading.loaded.config.log.access else None
        if lines is not None:
            held.callback(lines.close)
        serving = _Serving(path, environ, Worker(reading.loaded, record=lines))
        await serving.run(reading, asked)


class _Serving:
    """One worker, and the file that it serves."""

    def __init__(self, path: Path, environ: Mapping[str, str], worker: Worker) -> None:
        self._path = path
        self._environ = environ
        self._worker = worker
        self._collector = Collector()
        self._remarked: set[str] = set()

    async def run(self, reading: Reading, asked: Asked) -> None:
        """Listen, and end as `asked`."""
        self._remark(reading)
        try:
            await self._worker.start()
        except BaseException:
            await self._worker.stop(drain_s=0)
            raise
        self._collector.start(lambda: self._worker.counters.exchanges)
        for address in self._worker.addresses:
            log.info("listening on %s", address)
        reloading = asyncio.create_task(self._reload_when(asked))
        try:
            await asked.stop.wait()
        finally:
            reloading.cancel()
            await self._stop(asked)
            self._collector.stop()

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
            try:
                await self._reload()
            except Exception:
                log.exception("reload failed, nothing changed")

    async def _reload(self) -> None:
        try:
            reading = await read_aside(self._path, self._environ)
            if not self._can_change(reading.loaded.config):
                return
            await self._worker.reload(reading.loaded)
        except ConfigError as error:
            for problem in error.problems:
                log.log(logging.ERROR if problem.severity == "error" else logging.WARNING, "%s", problem)
            count = len(error.problems)
            log.error(
                "reload refused, nothing changed: %d problem%s in %s", count, "s" * (count > 1), self._path
            )
            return
        except OSError as error:
            log.error("reload refused, nothing changed: %s", error)
            return
        self._collector.settle()
        self._remark(reading)
        log.info("reloaded %s", self._path)

    def _can_change(self, wanted: Config) -> bool:
        """Whether only such keys differ as can change in a running process; the log names the others."""
        held = restart_keys(self._worker.loaded, wanted)
        for name in held:
            log.error("%s cannot change while the gateway runs", name)
        if held:
            log.error("reload refused, nothing changed: restart for %s", ", ".join(held))
        return not held

    async def _stop(self, asked: Asked) -> None:
        drain = self._worker.loaded.config.gateway.drain_timeout
        log.info("stopping: what is under way may end within %s, a second signal cuts it off", drain)
        ending = asyncio.create_task(self._worker.stop())
        at_once = asyncio.create_task(asked.at_once.wait())
        await asyncio.wait((ending, at_once), return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        if not ending.done():
            ending.cancel()
            await asyncio.wait((ending,))
            ending = asyncio.create_task(self._worker.stop(drain_s=0))
        cut = await ending
        log.info("stopped, %d %s cut off", cut, "connection" if cut == 1 else "connections")


def restart_keys(loaded: Loaded, wanted: Config) -> list[str]:
    """The keys in which `wanted` differs from what runs, and that only a restart can change."""
    running = loaded.config
    return [
        dotted((table, key))
        for table, key in NEEDS_RESTART
        if getattr(getattr(running, table), key) != getattr(getattr(wanted, table), key)
    ]
