"""The command line as its users meet it: through click's runner, and as a process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from gwproxy.cli import main
from tests.support.leaks import Level

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


@pytest_asyncio.fixture
async def gwproxy(level: Level) -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    """Starts the command: `process = await gwproxy("run", str(file))`."""
    started: list[Process] = []

    async def start(*words: str) -> Process:
        piped = asyncio.subprocess.PIPE
        # The checkout's own gwproxy, whatever folder it runs in.
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gwproxy", *words, stdout=piped, stderr=piped, env=environ
        )
        started.append(Process(made))
        return started[-1]

    yield start
    for each in started:
        if each.process.returncode is None:
            each.process.kill()
        await each.process.communicate()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command in this process, in a folder of its own: `cli("check", "routes.toml")`."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, words, prog_name="gwproxy")
