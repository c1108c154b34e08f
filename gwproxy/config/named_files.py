"""Files that a configuration names and that are read with it: keys, and who they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gwproxy.config.auth import Jwt
from gwproxy.config.files import Files, Said
from gwproxy.config.loaded import Loaded
from gwproxy.config.placeholders import PlaceholderError, expand
from gwproxy.config.problems import Key, Problem, dotted, show
from gwproxy.config.rules.urls import is_file
from gwproxy.config.schema import Config

MOST_BYTES: Final = 1024 * 1024


def add_keys(files: Files) -> None:
    """Put the [[keys]] of each `keys_file` behind those that its authenticator has itself, before types are looked at.

    What cannot be read is noted; what has the wrong type is left for the walk.
    """
    auth = files.data.get("auth")
    for name, method in auth.items() if isinstance(auth, dict) else ():
        written = method.get("keys_file") if isinstance(method, dict) else None
        if isinstance(written, str) and isinstance(method.setdefault("keys", []), list):
            _add(files, ("auth", name), written)


def _add(files: Files, key: Key, written: str) -> None:
    place = files.places.find((*key, "keys_file"))
    try:
        path = Path(place.file).parent / expand(written, files.environ)
    except PlaceholderError:
        return
    files.graft(path, Said(place, dotted((*key, "keys_file")), show(written)), "keys", (*key, "keys"))


def contents_of(config: Config, loaded: Loaded) -> tuple[dict[str, bytes], list[Problem]]:
    """What stands in the files that hold a key, by the key path that names each; and those that cannot be read."""
    contents: dict[str, bytes] = {}
    problems = []
    for key, written in _named(config):
        path = Path(loaded.places.find(key).file).parent / written
        try:
            with open(path, "rb") as file:
                content = file.read(MOST_BYTES + 1)
            fault = "" if len(content) <= MOST_BYTES else "more than 1 MiB"
        except (OSError, ValueError) as error:
            content, fault = b"", getattr(error, "strerror", None) or str(error)
        if fault:
            found = loaded.shown_path(key, written)
            problems.append(loaded.problem("unreadable_file", key, found=found, hint=fault))
        contents[dotted(key)] = content
    return contents, problems


def _named(config: Config) -> Iterator[tuple[Key, str]]:
    for name, method in config.auth.methods.items():
        if isinstance(method, Jwt):
            if method.key_file is not None:
                yield ("auth", name, "key_file"), method.key_file
            if method.jwks is not None and is_file(method.jwks):
                yield ("auth", name, "jwks"), method.jwks

