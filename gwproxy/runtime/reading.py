"""A file read for serving: loaded, checked, and the files that it names looked at, off the loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from gwproxy.config.check import check, ordered
from gwproxy.config.in_force import not_in_force
from gwproxy.config.load import load
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import ConfigError, Key, Problem, dotted
from gwproxy.config.schema import Config
from gwproxy.config.services import Tls
from gwproxy.snapshot.compile import compile

# Decided when the process starts: the name in Via, and where and how lines are written.
NEEDS_RESTART: Final = (("gateway", "instance"), ("log", "access"), ("log", "file"), ("log", "format"))


class Reading(Struct, frozen=True, kw_only=True):
    """A configuration that can be served, and what its operator should know of it all the same."""

    loaded: Loaded
    warnings: tuple[Problem, ...]

    def remarks(self) -> list[str]:
        """Warnings, and what is written but not in force, a line each."""
        notices = not_in_force(self.loaded.config)
        return [*map(str, self.warnings), *(f"not in force: {notice}" for notice in notices)]


def read(path: Path, environ: Mapping[str, str]) -> Reading:
    """Read a file to be served from. ConfigError with all problems; those of ties are compile's to tell."""
    loaded = load(path, environ)
    problems = ordered([*check(loaded), *_unusable(loaded)], loaded.files)
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(tuple(problems))
    # For what only the trie can know. Workers compile it again: a snapshot does not travel.
    compile(loaded)
    return Reading(loaded=loaded, warnings=tuple(problems))


async def read_aside(path: Path, environ: Mapping[str, str]) -> Reading:
    """As read(), in a thread: thousands of routes take longer than a request may wait."""
    return await asyncio.get_running_loop().run_in_executor(None, read, path, environ)


def _unusable(loaded: Loaded) -> Iterator[Problem]:
    """What only the machine that serves can know, so that `check` may run elsewhere."""
    file = loaded.config.log.file
    if file and loaded.config.log.access:
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640))
        except OSError as error:
            yield _unreadable(loaded, ("log", "file"), file, error)
    for name, service in loaded.config.services.items():
        yield from _unusable_tls(loaded, ("services", name, "tls"), service.tls)


def _unusable_tls(loaded: Loaded, key: Key, tls: Tls) -> Iterator[Problem]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca:
        try:
            context.load_verify_locations(tls.ca)
        except OSError as error:
            yield _unreadable(loaded, (*key, "ca"), tls.ca, error)
    if tls.cert:
        try:
            context.load_cert_chain(tls.cert, tls.key or None)
        except OSError as error:
            yield _unreadable(loaded, (*key, "cert"), f"{tls.cert}, {tls.key}", error)


def _unreadable(loaded: Loaded, key: Key, found: str, error: OSError) -> Problem:
    why = "no usable PEM in it" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
    return loaded.problem("unreadable_file", key, found=f'"{found}"', hint=why)


def restart_keys(running: Config, wanted: Config) -> list[str]:
    """The keys in which `wanted` differs from what runs, and that only a restart can change."""
    return [
        dotted((table, key))
        for table, key in NEEDS_RESTART
        if getattr(getattr(running, table), key) != getattr(getattr(wanted, table), key)
    ]
