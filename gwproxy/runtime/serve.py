"""`gwproxy run` without its command line: a supervisor and its workers, until a signal ends them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from gwproxy.runtime.callers import Callers
from gwproxy.runtime.control import Control, Verb
from gwproxy.runtime.folder import RuntimeFolder
from gwproxy.runtime.held_back import hear, hold_back
from gwproxy.runtime.log import logging_to
from gwproxy.runtime.private_store import PrivateStore
from gwproxy.runtime.reading import read_aside
from gwproxy.runtime.signals import signals
from gwproxy.runtime.supervisor import Supervisor
from gwproxy.runtime.upgrade import VARIABLE, inherited_legacy


async def serve(path: Path, environ: Mapping[str, str], runtime: Path) -> None:
    """Serve the file at `path` until a signal ends it. Workers write access lines to stdout; all else is on stderr.

    Raises ConfigError, FolderError, ListenError, StoreError, NoWorker or OSError before it serves.
    """
    # Its threads hear no signals: one that did while code is exchanged would take the signal with it.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2, initializer=hold_back))
    with ExitStack() as held:
        asked = held.enter_context(signals())
        legacy = inherited_legacy(environ)
        environ = {name: value for name, value in environ.items() if name != VARIABLE}
        hear()
        reading = await read_aside(path, environ)
        held.enter_context(logging_to(sys.stderr, reading.loaded.config.log.format))
        folder = RuntimeFolder.inherited(runtime, legacy.lock) if legacy else RuntimeFolder.held(runtime)
        held.callback(folder.close)
        store = PrivateStore(folder.path / "store.sock", legacy.store if legacy else 0)
        supervisor = Supervisor(path, environ, folder, asked, store, legacy)
        callers = Callers(
            lambda: supervisor.fleet.serving, lambda: supervisor.plan.reading.loaded.config.limits.ipv6_prefix
        )
        verbs: dict[str, Verb] = {
            "reload": supervisor.reload, "status": supervisor.status, "upgrade": supervisor.upgrade,
            "limits_show": callers.show, "limits_reset": callers.reset,
        }  # fmt: skip
        control = Control(folder.socket, verbs)
        await control.start()
        try:
            await store.start(reading.loaded.config)
            await supervisor.run(reading)
        finally:
            await control.close()
            await store.close()
