"""`gwproxy check`: all that is wrong with a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from gwproxy.cli.told import as_json, counted, examined, line_of, problem_fields, refused, tally
from gwproxy.config.in_force import Notice, not_in_force
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Problem


@click.command(short_help="Tell all that is wrong with a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "json_", is_flag=True, help="Print problems for programs.")
def check(file: Path, json_: bool) -> None:
    """Tell all that is wrong with FILE, and what is written in it but not in force yet.

    Exit code 0 where it could be served, 1 where not.
    """
    loaded, snapshot, problems = examined(file)
    fine = loaded is not None and snapshot is not None
    notices = not_in_force(loaded.config) if loaded is not None and fine else []
    if json_:
        click.echo(as_json(_fields(file, loaded, problems, notices, fine)))
    elif loaded is not None and fine:
        for line in (*map(str, problems), *_in_force_lines(notices), _summary(file, loaded, problems)):
            click.echo(line)
    else:
        click.echo(refused(file, [*problems]).message)
    raise SystemExit(0 if fine else 1)


def _in_force_lines(notices: Sequence[Notice]) -> list[str]:
    return ["not in force yet:", *(f"  {notice}" for notice in notices)] if notices else []


def _counts(loaded: Loaded) -> list[tuple[int, str]]:
    config = loaded.config
    rooms = ((config.routes, "route"), (config.aggregations, "aggregation"), (config.services, "service"))
    return [(len(room), word) for room, word in rooms]


def _summary(file: Path, loaded: Loaded, problems: Sequence[Problem]) -> str:
    counts = [counted(number, word) for number, word in _counts(loaded) if number or word != "aggregation"]
    words = ["fine", *([tally(problems)] if problems else []), *counts]
    return f"{file}: {', '.join(words)}"


def _fields(
    file: Path, loaded: Loaded | None, problems: Sequence[Problem], notices: Sequence[Notice], fine: bool
) -> dict[str, Any]:
    told = [{**problem_fields(problem), "message": line_of(file, problem)} for problem in problems]
    return {
        "file": str(file),
        "fine": fine,
        "files": list(loaded.files) if loaded is not None else [],
        "problems": told,
        "not_in_force": to_builtins(notices),
        "counts": {f"{word}s": number for number, word in _counts(loaded)} if loaded is not None else {},
    }
