"""A file read for serving: loaded, checked, and the files that it names looked at, off the loop."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from gwproxy.config.check import check, ordered
from gwproxy.config.either import has_limits
from gwproxy.config.in_force import not_in_force
from gwproxy.config.load import load
from gwproxy.config.loaded import Loaded, LoadError
from gwproxy.config.problems import ConfigError, Problem, dotted
from gwproxy.config.schema import Config
from gwproxy.runtime.tls_files import unusable_files
from gwproxy.snapshot.credentials import all_problems, unusable_keys

# Decided when the process starts: the name in Via, and where and how lines are written.
NEEDS_RESTART: Final = (
    ("gateway", "instance"), ("log", "access"), ("log", "file"), ("log", "format"),
    ("state", "url"), ("state", "prefix"), ("state", "timeout"), ("state", "on_failure"),
)  # fmt: skip


class Reading(Struct, frozen=True, kw_only=True):
    """A configuration that can be served, and what its operator should know of it all the same."""

    loaded: Loaded
    warnings: tuple[Problem, ...]

    def remarks(self) -> list[str]:
        """Warnings, and what is written but not in force, a line each."""
        notices = not_in_force(self.loaded.config)
        return [*map(str, self.warnings), *(f"not in force: {notice}" for notice in notices)]


def read(path: Path, environ: Mapping[str, str]) -> Reading:
    """Read a file to be served from. ConfigError with all problems."""
    try:
        loaded = load(path, environ)
    except LoadError as error:
        problems = ordered([*all_problems(error), *_unusable(error.loaded)], error.loaded.files)
        raise ConfigError(tuple(problems)) from None
    problems = ordered([*check(loaded), *unusable_keys(loaded), *_unusable(loaded)], loaded.files)
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(tuple(problems))
    return Reading(loaded=loaded, warnings=tuple(problems))


async def read_aside(path: Path, environ: Mapping[str, str]) -> Reading:
    """As read(), in a thread: thousands of routes take longer than a request may wait."""
    return await asyncio.get_running_loop().run_in_executor(None, read, path, environ)


def _unusable(loaded: Loaded) -> Iterator[Problem]:
    """What only the machine that serves can know, so that `check` may run elsewhere."""
    file = loaded.config.log.file
    if file and loaded.config.log.access:
        # Not waiting for somebody to read a pipe.
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            os.close(os.open(file, how, 0o640))
        except OSError as error:
            if error.errno != errno.ENXIO:
                key = ("log", "file")
                hint = f"it must be writable: {error.strerror or error}"
                yield loaded.problem("unreadable_file", key, found=loaded.shown_path(key, file), hint=hint)
    yield from unusable_files(loaded)


def restart_keys(running: Config, wanted: Config) -> list[str]:
    """The keys in which `wanted` differs from what runs, and that only a restart can change."""
    counted = not running.state.url and has_limits(wanted) and processes_of(running) == 1 < processes_of(wanted)
    # What was counted by one process can't be by several, and no server of our own is there.
    return ["gateway.workers"] * counted + [
        dotted((table, key))
        for table, key in NEEDS_RESTART
        if getattr(getattr(running, table), key) != getattr(getattr(wanted, table), key)
    ]


def workers_of(reading: Reading) -> int:
    """How many workers a configuration asks for."""
    return processes_of(reading.loaded.config)


def processes_of(config: Config) -> int:
    """How many workers serve."""
    asked = config.gateway.workers
    return len(os.sched_getaffinity(0)) if asked == "auto" else asked
