"""Files → Loaded, or all that is wrong with them.

The way: read and unite the files (files.py), give services and routes what they share (defaults.py), turn the values
into their types (walk.py), read the files that hold keys (named_files.py). When a value is unusable, the rules of
check.py are asked about the rest as well, so that one go tells everything; otherwise they are the caller's to ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gwproxy.config.check import OF_ONE_FILE, RULES, check, ordered
from gwproxy.config.defaults import apply_defaults
from gwproxy.config.files import Files
from gwproxy.config.loaded import Loaded, LoadError, Unsound
from gwproxy.config.named_files import add_keys, contents_of
from gwproxy.config.problems import Problem, dotted
from gwproxy.config.schema import Config
from gwproxy.config.walk import Walk, type_info

__all__ = ["Loaded", "load", "loads"]

# Where one of these is no table at all, every reference to it would seem wrong.
ROOMS: Final = (("services",), ("roles",), ("tiers",), ("auth",), ("tenants",), ("plans",))


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read a file and all that it includes. LoadError with every problem of all files."""
    files = Files(str(path), environ)
    files.read(path)
    return _finish(files, environ)


def loads(
    text: str | bytes,
    *,
    name: str = "routes.toml",
    environ: Mapping[str, str] | None = None,
    base: Path = Path("."),
) -> Loaded:
    """As load(), of a text that stands as file `name` in the folder `base`."""
    environ = {} if environ is None else environ
    files = Files(str(base / name), environ)
    files.add(text.encode() if isinstance(text, str) else text, base / name)
    return _finish(files, environ)


def _finish(files: Files, environ: Mapping[str, str]) -> Loaded:
    apply_defaults(files.data, files.places)
    add_keys(files)
    walk = Walk(files.places, environ)
    config: Any = walk.read(type_info(Config), files.data, ())
    walk.unsound |= files.unusable
    loaded = Loaded(
        config=config, places=files.places, files=tuple(files.names),
        unsound=Unsound(walk.unsound), templates=walk.templates,
    )  # fmt: skip
    contents, unreadable = contents_of(config, loaded)
    loaded = msgspec.structs.replace(loaded, contents=contents)
    problems = files.problems + walk.problems + unreadable
    if not problems:
        return loaded
    causes = [dotted(key) for key in walk.unsound]
    rules = OF_ONE_FILE if files.blind or not walk.unsound.isdisjoint(ROOMS) else RULES
    problems += [problem for problem in check(loaded, rules) if not _follows(problem, causes)]
    raise LoadError(tuple(ordered(problems, loaded.files)), loaded)


def _follows(problem: Problem, causes: Iterable[str]) -> bool:
    """Whether a problem may only be there because a key beneath, above or at its own has a stand-in for a value."""
    return any(_within(problem.key, cause) or _within(cause, problem.key) for cause in causes)


def _within(inner: str, outer: str) -> bool:
    return inner.startswith(outer) and inner[len(outer) : len(outer) + 1] in ("", ".", "[")
