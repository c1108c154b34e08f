"""The control socket: who operates a gateway asks its supervisor there. One line of JSON in, one out.

Only the supervisor's own user, and root, is heard: the folder keeps others out, and the kernel's word on who is at the
other end is checked all the same.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

log = logging.getLogger("gwproxy")

LARGEST: Final = 64 * 1024
ASK_S: Final = 60.0
"""A reload waits for every worker to be ready."""

Verb = Callable[..., Awaitable[Any]]
"""Its parameters are the arguments that are asked for, all of them words."""


class Unanswerable(Exception):
    """What a verb was asked for cannot be done; the text says why, to who asked."""


class NobodyThere(Exception):
    """No gateway listens in a runtime folder; the text says so."""


class Control:
    """Answers `verbs` on a unix socket at `path`."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        self._path = path
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LARGEST)
        os.chmod(self._path, 0o600)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if _uid(writer) not in (0, os.geteuid()):
                return
            line = await reader.readline()
            writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            log.debug("control socket: %r", error)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> Any:
        try:
            said = json.loads(line)
            verb, arguments = said["verb"], said.get("arguments", {})
            asked = self._verbs[verb]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {"error": f"not understood; what can be asked: {', '.join(self._verbs)}"}
        wanted = list(inspect.signature(asked).parameters)
        if not _fits(arguments, wanted):
            return {"error": f"{verb} takes {_listed(wanted)}"}
        try:
            return await asked(**arguments)
        except Unanswerable as error:
            return {"error": str(error)}

    async def close(self) -> None:
        """Listen no more; who waits for an answer is cut."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()


def _fits(arguments: Any, wanted: Sequence[str]) -> bool:
    """Whether these are the arguments of a verb."""
    if not isinstance(arguments, dict) or set(arguments) != set(wanted):
        return False
    return all(isinstance(value, str) for value in arguments.values())


def _listed(wanted: Sequence[str]) -> str:
    if not wanted:
        return "no arguments"
    return f"{', '.join(wanted)}, and nothing else: each a string in the object \"arguments\""


def _uid(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def ask(path: Path, verb: str, **arguments: str) -> Any:
    """Ask the gateway whose socket is at `path`. Raises NobodyThere; the answer is what JSON says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ASK_S)
        try:
            sock.connect(str(path))
            sock.sendall(json.dumps({"verb": verb, "arguments": arguments}).encode() + b"\n")
            with sock.makefile("rb") as answers:
                line = answers.readline()
        except OSError as error:
            raise NobodyThere(_why(path, error)) from None
    if not line:
        raise NobodyThere(f"the gateway of {path.parent} gave no answer")
    return json.loads(line)


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: only its own user and root may ask this gateway"
    if isinstance(error, TimeoutError):
        return f"the gateway of {path.parent} did not answer within {ASK_S:g} s"
    return f"no gateway runs in {path.parent}: start one, or name its folder with --runtime"
