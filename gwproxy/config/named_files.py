"""Files that a configuration names and that are read with it: keys, and who they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gwproxy.config.auth import Jwt
from gwproxy.config.authenticators import Signature
from gwproxy.config.credentials import OwnCredentials
from gwproxy.config.files import Files, Said
from gwproxy.config.loaded import Loaded
from gwproxy.config.placeholders import PlaceholderError, expand
from gwproxy.config.problems import Key, Problem, dotted, show
from gwproxy.config.rules.urls import is_file
from gwproxy.config.schema import Config

MOST_BYTES: Final = 1024 * 1024
GRAFTED: Final = ("keys", "users")


def add_keys(files: Files) -> None:
    """Put the [[keys]] of each `keys_file`, and the [[users]] of each `users_file`, behind those that its authenticator
    has itself, before types are looked at.

    What cannot be read is noted; what has the wrong type is left for the walk.
    """
    auth = files.data.get("auth")
    for name, method in auth.items() if isinstance(auth, dict) else ():
        for word in GRAFTED:
            written = method.get(f"{word}_file") if isinstance(method, dict) else None
            if isinstance(written, str) and isinstance(method.setdefault(word, []), list):
                _add(files, ("auth", name), word, written)


def _add(files: Files, key: Key, word: str, written: str) -> None:
    named = (*key, f"{word}_file")
    place = files.places.find(named)
    try:
        path = Path(place.file).parent / expand(written, files.environ)
    except PlaceholderError:
        return
    if not files.graft(path, Said(place, dotted(named), show(written)), word, (*key, word)):
        files.unusable.add(named)


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
        elif isinstance(method, Signature):
            for index, signer in enumerate(method.keys):
                if signer.key_file is not None:
                    yield ("auth", name, "keys", index, "key_file"), signer.key_file
    if config.identity.key_file is not None:
        yield ("identity", "key_file"), config.identity.key_file
    for service_name, service in config.services.items():
        yield from _of_credentials(("services", service_name, "credentials"), service.credentials)


def _of_credentials(key: Key, credentials: OwnCredentials | None) -> Iterator[tuple[Key, str]]:
    if credentials is None:
        return
    header, basic = credentials.header, credentials.basic
    for path, written in (
        (("header", "value_file"), header.value_file if header is not None else None),
        (("basic", "password_file"), basic.password_file if basic is not None else None),
        (("bearer_file",), credentials.bearer_file),
    ):
        if written is not None:
            yield (*key, *path), written
