"""Store set-ups that are given to one test after another: a cluster takes two seconds to make, an intact one none.

Invariant: what a test is given cannot be told from a new one by anything that it may look at. So one is given again
only if all of these say that it is intact, and whatever cannot be found out says that it isn't:

- Its marks: whoever calls a method that changes a set-up marks it (`touched`). Only they know of a process that stood
  still and went on.
- What its servers were told since they were given, by whomever: nothing of administration (`told_to_change`). Only
  this knows of what nobody can ask for, or what was taken back.
- A comparison with what it was when it was new: the objects, the processes, their files, and all that the servers say
  of their configuration, users, slots and roles (facts.py).

Then it is emptied, and nobody else is connected; all counts begin anew, those of a new one too. What may differ is how
old a server is, the numbers of its clients, how far its replication has come, the memory that it has, and what cannot
be set back: what sentinels count, and the messages of a cluster's bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import hiredis

from gwproxy.state.link import LinkLost
from tests.support.facts import facts, others_gone, told_to_change
from tests.support.leaks import Level
from tests.support.store_process import IN_MEMORY, StoreProcess, StoreProcesses

EMPTYING = ("FLUSHALL", "FUNCTION FLUSH", "SCRIPT FLUSH")
BEGINNING_ANEW = (
    "SLOWLOG RESET", "COMMANDLOG RESET large-request", "COMMANDLOG RESET large-reply", "LATENCY RESET",
    "ACL LOG RESET", "CONFIG RESETSTAT",
)  # fmt: skip
NO_REASON_TO_FAIL = ("ERR unknown ", "READONLY ")
"""What a server answers that is too old for a command, or a sentinel, or a replica: it gets that from its primary."""

Made = TypeVar("Made", bound=StoreProcesses)


@dataclass
class Kept:
    """A set-up, and what it was when it was new."""

    made: StoreProcesses
    folder: Path
    sockets: int
    objects: list[dict[str, Any]]
    facts: list[dict[str, Any]]


class Keeper:
    """Has one set-up of each kind, from the first test that asks for it to the end of this process's tests."""

    def __init__(self) -> None:
        self._kept: dict[type[StoreProcesses], Kept] = {}

    @contextlib.asynccontextmanager
    async def given(self, kind: type[Made], level: Level) -> AsyncIterator[Made]:
        """For one test, whose `level` is told of what is made and kept, and of what is ended.

        Looked at when it is given, and not when it comes back: another fixture may still use it then.
        """
        kept = self._kept.get(kind)
        if kept is not None and not await is_intact(kept):
            await self._stop(kind, level)
            kept = None
        made = await self._make(kind, level) if kept is None else kept.made
        assert isinstance(made, kind)
        try:
            yield made
        finally:
            if is_touched(made):
                await self._stop(kind, level)

    async def _make(self, kind: type[Made], level: Level) -> StoreProcesses:
        folder = Path(tempfile.mkdtemp(prefix="gw", dir=IN_MEMORY))
        made = kind(folder)
        try:
            await made.start()
            for each in (made, *made.processes):
                each.touched = False
            kept = Kept(made, folder, made.sockets, objects(made), await facts_of(made))
            await begin_anew(made)
        except BaseException:
            await made.stop()
            shutil.rmtree(folder)
            raise
        self._kept[kind] = kept
        # Counted, not measured: a connection that was closed just now may still be one of our descriptors.
        level.outlived_by(kept.sockets)
        return made

    async def _stop(self, kind: type[StoreProcesses], level: Level) -> None:
        kept = self._kept.pop(kind)
        level.outlived_by(-kept.sockets)
        await kept.made.stop()
        shutil.rmtree(kept.folder)

    def end(self) -> None:
        """Ends them all, where no loop runs any more."""
        while self._kept:
            _, kept = self._kept.popitem()
            kept.made.end()
            shutil.rmtree(kept.folder)


def is_touched(made: StoreProcesses) -> bool:
    return made.touched or any(each.touched for each in made.processes)


async def is_intact(kept: Kept) -> bool:
    """Whether a set-up is as it was when it was new; it then is empty, too."""
    made = kept.made
    if is_touched(made) or objects(made) != kept.objects or not all(each.running for each in made.processes):
        return False
    try:
        await asyncio.gather(*map(others_gone, made.processes))
        if any(await asyncio.gather(*map(told_to_change, made.processes))) or await facts_of(made) != kept.facts:
            return False
        await empty(made)
        await begin_anew(made)
    except (OSError, LinkLost, hiredis.ReplyError, AssertionError):
        return False
    return True


def objects(made: StoreProcesses) -> list[dict[str, Any]]:
    """What is written on the set-up and its processes, as it is now."""
    return [{name: _now(value) for name, value in vars(each).items()} for each in (made, *made.processes)]


def _now(value: object) -> object:
    return value.copy() if isinstance(value, list | dict) else value


async def facts_of(made: StoreProcesses) -> list[dict[str, Any]]:
    return await asyncio.gather(*map(facts, made.processes))


async def empty(made: StoreProcesses) -> None:
    """Takes away what was written."""
    await asyncio.gather(*(_ask(each, *EMPTYING) for each in made.processes))
    await made.until_replicated()


async def begin_anew(made: StoreProcesses) -> None:
    """Takes away what was counted and logged. Nothing is to be asked after it: it would be counted, too."""
    for each in made.processes:
        os.truncate(each.folder / "log", 0)
    await asyncio.gather(*(_ask(each, *BEGINNING_ANEW) for each in made.processes))


async def _ask(process: StoreProcess, *commands: str) -> None:
    async with process.linked() as link:
        for command in commands:
            try:
                await link.ask(*command.split())
            except hiredis.ReplyError as error:
                if not str(error).startswith(NO_REASON_TO_FAIL):
                    raise
