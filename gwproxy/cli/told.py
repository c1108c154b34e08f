"""How verbs tell what is wrong: one line a problem, or the same as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from gwproxy.config.check import check, ordered
from gwproxy.config.load import load
from gwproxy.config.loaded import Loaded, LoadError
from gwproxy.config.problems import KINDS, Problem
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.credentials import all_problems, unusable_keys
from gwproxy.snapshot.types import Snapshot


class Failed(click.ClickException):
    """What was asked for cannot be done: the lines go to stderr as they are, and the exit code is 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Write the lines."""
        click.echo(self.message, file=file, err=file is None)


def refused(path: Path, problems: Sequence[Problem]) -> Failed:
    """A file that cannot be used, with all that is wrong with it."""
    lines = [line_of(path, problem) for problem in problems]
    if not _unreadable(path, problems):
        lines.append(f"{path}: {tally(problems)}")
    return Failed("\n".join(lines))


def line_of(path: Path, problem: Problem) -> str:
    """A problem in one line. A file that isn't there has no line 1 to point at."""
    if not _unreadable(path, (problem,)):
        return str(problem)
    hint = ""
    if not path.exists():
        hint = "; name another file, or try `gwproxy demo`" if path.name == "routes.toml" else ""
    return f"{path}: cannot be read: {problem.hint}{hint}"


def _unreadable(path: Path, problems: Sequence[Problem]) -> bool:
    return any(
        each.kind == "unreadable_file" and not each.key and each.place.file == str(path) for each in problems
    )


def counted(number: int, word: str) -> str:
    """ "1 error", "2 errors"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def tally(problems: Sequence[Problem]) -> str:
    """How many problems there are of each severity."""
    severities = [problem.severity for problem in problems]
    kinds = [kind for kind in ("error", "warning") if kind in severities]
    return ", ".join(counted(severities.count(kind), kind) for kind in kinds)


def examined(path: Path) -> tuple[Loaded | None, Snapshot | None, tuple[Problem, ...]]:
    """A file read, checked and compiled as far as it can be, and every problem on the way."""
    try:
        loaded = load(path, os.environ)
    except LoadError as error:
        return None, None, tuple(all_problems(error))
    problems = tuple(ordered([*check(loaded), *unusable_keys(loaded)], loaded.files))
    if any(problem.severity == "error" for problem in problems):
        return loaded, None, problems
    return loaded, compile(loaded), problems


def usable(path: Path) -> tuple[Loaded, Snapshot]:
    """A file that could be served. Raises Failed with all its problems."""
    loaded, snapshot, problems = examined(path)
    if loaded is None or snapshot is None:
        raise refused(path, problems)
    return loaded, snapshot


def problem_fields(problem: Problem) -> dict[str, Any]:
    """A problem for programs."""
    return {
        "severity": problem.severity,
        "kind": problem.kind,
        "says": KINDS[problem.kind].says,
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "key": problem.key,
        "found": problem.found,
        "expected": problem.expected,
        "hint": problem.hint,
    }


def by_name(fields: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Header fields, (name, value) each, by their names: all of a name that stands there more than once."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def as_json(value: object) -> str:
    """JSON for people and programs alike."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def span(seconds: float) -> str:
    """About how long, for people."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"
