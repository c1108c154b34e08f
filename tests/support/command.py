"""`gwproxy` as a process, as its users start it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gwproxy.runtime.control import ask
from gwproxy.runtime.folder import SOCKET
from tests.support.until import until

ROOT = Path(__file__).parents[2]
WITHIN_S = 20.0
"""A process that starts has Python and its libraries to load, on a busy machine."""


class Process:
    """A `gwproxy` that runs; `told` is what it has written to stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: list[str] = []

    async def says(self, pattern: str) -> re.Match[str]:
        """Waits for a line of stderr that has `pattern` in it."""
        assert self.process.stderr is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                while line := await self.process.stderr.readline():
                    self.told.append(line.decode())
                    found = re.search(pattern, self.told[-1])
                    if found is not None:
                        return found
        raise AssertionError(f"never said {pattern!r}: {''.join(self.told)}")

    async def port(self) -> int:
        return int((await self.says(r"listening on http://127\.0\.0\.1:(\d+)"))[1])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> tuple[int, str, str]:
        """Its exit code, stdout, and all of stderr, once it has ended."""
        async with asyncio.timeout(WITHIN_S):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), "".join(self.told) + err.decode()


class Runtime:
    """Processes that share a runtime folder, and the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []

    async def __call__(
        self,
        *words: str,
        environ: Sequence[tuple[str, str]] = (),
        before: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
    ) -> Process:
        """Starts the command, by way of the program and options of `before` where there are any."""
        piped = asyncio.subprocess.PIPE
        # The checkout's own gwproxy, whatever folder it runs in.
        own = {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(self.folder)}
        made = await asyncio.create_subprocess_exec(
            *before, sys.executable, "-m", "gwproxy", *words, stdout=piped, stderr=piped,
            env={**os.environ, **own, **dict(environ)}, limit=1 << 20, pass_fds=pass_fds,
        )  # fmt: skip
        self.started.append(Process(made))
        return self.started[-1]

    async def told(self, *words: str) -> tuple[int, str, str]:
        """Runs a verb to its end: exit code, stdout, stderr."""
        return await (await self(*words)).end()

    async def status(self) -> Any:
        """What `gwproxy status --json` says, without a process for each look."""
        return await asyncio.to_thread(ask, self.folder / "gwproxy" / SOCKET, "status")

    async def until(self, condition: Callable[[Any], bool]) -> Any:
        """Waits until what status says fulfils `condition`."""
        async with asyncio.timeout(WITHIN_S):
            while not condition(found := await self.status()):  # noqa: ASYNC110 (another process has no event)
                await asyncio.sleep(0.02)
        return found

    async def until_serving(self, count: int) -> Any:
        """Waits until `count` workers serve, and no others are there."""
        return await self.until(
            lambda found: [worker["state"] for worker in found["workers"]] == ["serving"] * count
        )

    async def close(self) -> None:
        for each in self.started:
            if each.process.returncode is None:
                each.process.kill()
            await each.process.communicate()
        await until(lambda: not workers_of(self.folder), WITHIN_S, "workers left behind have ended")


def workers_of(folder: Path) -> list[int]:
    """The worker processes that were started for a runtime folder, orphans among them."""
    mark = f"XDG_RUNTIME_DIR={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if b"gwproxy.runtime.child" in (entry / "cmdline").read_bytes() and mark in (
                entry / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)
