"""A file read for serving: loaded, checked, and the files that it names looked at, off the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from gwproxy.config.check import check, ordered
from gwproxy.config.in_force import not_in_force
from gwproxy.config.load import load
from gwproxy.config.loaded import Loaded, LoadError
from gwproxy.config.problems import ConfigError, Problem
from gwproxy.runtime.tls_files import unusable_files


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
        problems = ordered([*error.problems, *_unusable(error.loaded)], error.loaded.files)
        raise ConfigError(tuple(problems)) from None
    problems = ordered([*check(loaded), *_unusable(loaded)], loaded.files)
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(tuple(problems))
    return Reading(loaded=loaded, warnings=tuple(problems))


async def read_aside(path: Path, environ: Mapping[str, str]) -> Reading:
    """As read(), in a thread: thousands of routes take longer than a request may wait."""
    return await asyncio.get_running_loop().run_in_executor(None, read, path, environ)


def _unusable(loaded: Loaded) -> Iterator[Problem]:
    """What only the machine that serves can know, so that `check` may run elsewhere."""
    for index, address in enumerate(loaded.config.gateway.listen):
        if address.startswith("fd:"):
            hint = "socket activation does not exist yet"
            key = ("gateway", "listen", index)
            yield loaded.problem("bad_listener", key, found=loaded.shown(key, address), hint=hint)
    yield from unusable_files(loaded)
