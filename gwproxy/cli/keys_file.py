"""A keys file on disk: read as the gateway reads it, and replaced in one step."""

from __future__ import annotations

import fcntl
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import Final

import msgspec

from gwproxy.cli.keys_text import InOneArray
from gwproxy.cli.told import Failed, refused
from gwproxy.config.auth import ApiKey, ApiKeyEntry
from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.loaded import Loaded, LoadError
from gwproxy.config.problems import Problem
from gwproxy.snapshot.credentials import unusable_keys

NEW_MODE: Final = 0o640
"""Of a file that was not there: hashes are no keys, but who has which is nobody else's business."""
# A gateway's file that has this keys file and nothing else. Its name goes by a variable, so that no quote can end it.
_AROUND: Final = '[auth.file]\ntype = "api_key"\nkeys_file = "${GWPROXY_KEYS_FILE}"\n'
_AROUND_KEY: Final = "auth.file."
# What a keys file by itself cannot know: [roles] and [tiers] stand in the gateway's file.
ELSEWHERE: Final = ("unknown_role", "unknown_tier")


def is_keys_file(content: bytes) -> bool:
    """Whether a file has [[keys]] and nothing else, rather than being a gateway's own. What is no TOML is neither."""
    try:
        return tomllib.loads(content.decode()).keys() <= {"keys"}
    except ValueError:
        return False


def is_users_file(content: bytes) -> bool:
    """Whether a file has [[users]] and nothing else."""
    try:
        return tomllib.loads(content.decode()).keys() == {"users"}
    except ValueError:
        return False


def entries_of(path: Path) -> tuple[ApiKeyEntry, ...]:
    """The entries of a keys file. Raises Failed with all that is wrong with it."""
    return keys_of(around(path))


def around(path: Path) -> Loaded:
    """A configuration that has a keys file and nothing else. Raises Failed with all that is wrong with it."""
    try:
        loaded = loads(_AROUND, environ={**os.environ, "GWPROXY_KEYS_FILE": str(path)})
        found = (*check(loaded), *unusable_keys(loaded))
    except LoadError as error:
        loaded, found = error.loaded, error.problems
    problems = [each for each in map(_of_file, found) if each.place.file == str(path) and each.kind not in ELSEWHERE]
    if problems:
        raise refused(path, problems)
    return loaded


def keys_of(loaded: Loaded) -> tuple[ApiKeyEntry, ...]:
    """The entries of all authenticators of a configuration."""
    methods = loaded.config.auth.methods.values()
    return tuple(entry for method in methods if isinstance(method, ApiKey) for entry in method.keys)


def text_of(path: Path) -> str:
    """The text of a keys file. Raises Failed, also for a gateway's own file, whose keys are its writer's to edit."""
    content = content_of(path)
    try:
        other = tomllib.loads(content.decode()).keys() - {"keys"}
    except ValueError:
        around(path)
        raise
    if other == {"users"}:
        raise users_file(path)
    if other:
        hint = "its [[auth.NAME.keys]] are for an editor; a keys_file has [[keys]] and nothing else"
        raise Failed(f"{path}: a gateway's own file: {hint}")
    return content.decode()


def users_file(path: Path) -> Failed:
    """That a file has [[users]] and no keys."""
    return Failed(f"{path}: a users file: its [[users]] have passwords (`gwproxy password`), and keys stand in another")


def _of_file(problem: Problem) -> Problem:
    return msgspec.structs.replace(problem, key=problem.key.removeprefix(_AROUND_KEY))


def content_of(path: Path) -> bytes:
    """What a file holds. Raises Failed."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failed(f"{path}: cannot be read: {error.strerror or error}") from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Let nobody else edit the files of this folder meanwhile.

    Raises Failed where there is no such folder, and for a file whose entries cannot be told apart by lines.
    """
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"{path}: cannot be written: {error.strerror or error}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    except InOneArray:
        hint = "write each under a [[keys]] of its own"
        raise Failed(f"{path}: its keys stand in one array, where no line is one key's alone: {hint}") from None
    finally:
        os.close(folder)


def replace(path: Path, text: str) -> None:
    """Write a file anew, in one step: who reads it meanwhile finds the old one or the new one, whole.

    Mode, owner and group stay, and of a link what it leads to is replaced. Raises Failed, and then nothing has changed.
    """
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(handle, "wb") as file:
                _like(handle, target)
                file.write(text.encode())
                file.flush()
                os.fsync(handle)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise Failed(f"{path}: cannot be written: {error.strerror or error}") from None


def _like(handle: int, target: Path) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(handle, NEW_MODE)
        return
    new = os.fstat(handle)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        # Else a file that root has edited would be closed to the gateway's own user.
        os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, S_IMODE(old.st_mode))
