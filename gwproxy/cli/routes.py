"""`gwproxy routes`: what callers may ask, in the order in which it would win."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gwproxy.cli.answerer import answerer, auth_of, written
from gwproxy.cli.told import as_json, usable
from gwproxy.cli.versions import ends, listed, names, version_fields
from gwproxy.config.loaded import Loaded
from gwproxy.snapshot.types import CompiledRoute

# Wide enough that nothing is folded or cut where no terminal says how wide it is.
UNBOUNDED = 10_000


@click.command(short_help="List the routes of a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "json_", is_flag=True, help="Print routes for programs.")
def routes(file: Path, json_: bool) -> None:
    """List the routes and aggregations of FILE: host by host, and in each the one first that wins over those below."""
    loaded, snapshot = usable(file)
    rows = [_row(loaded, host, route) for host, route in _in_order(snapshot.routes) if listed(route)]
    if json_:
        click.echo(as_json(rows))
        return
    if not rows:
        click.echo(f"{file}: no routes")
        return
    _print_table(rows)
    if any(row["closed"] for row in rows) and not loaded.config.auth.methods:
        click.echo("\nidentity: there is no [auth.NAME], so these answer 401 to everybody")


def _in_order(compiled: tuple[CompiledRoute, ...]) -> list[tuple[str, CompiledRoute]]:
    rows = [(host, route) for route in compiled for host in route.hosts]
    return sorted(rows, key=lambda row: (_host_rank(row[0]), row[1].pattern, *_candidate_rank(row[1])))


def _host_rank(host: str) -> tuple[int, int, str]:
    """Exact hosts, then wildcards with the longest first, then any host."""
    if host in ("", "*"):
        return 2, 0, ""
    return (1, -len(host), host) if host.startswith("*.") else (0, 0, host)


def _candidate_rank(route: CompiledRoute) -> tuple[int, bool, int]:
    return -len(route.conditions), "*" in route.methods, route.index


def _row(loaded: Loaded, host: str, route: CompiledRoute) -> dict[str, Any]:
    one = written(loaded, route)
    version = version_fields(loaded, route, one)
    where = route.where if version is None else (*route.where, "versions", version["name"])
    place = loaded.places.find(where)
    return {
        "host": host or "*",
        "methods": list(route.methods),
        "path": route.template,
        "headers": {name.decode(): value.decode() for name, value in route.conditions},
        **answerer(one),
        "version": version,
        "auth": auth_of(one),
        "closed": route.closed,
        "maintenance": route.maintenance,
        "key": route.key,
        "file": place.file,
        "line": place.line,
        "column": place.column,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("host", "methods", "path", "", "answered by", "auth", "at"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        # Text, since rich would read [brackets] in a path as its own markup.
        table.add_row(*map(Text, _cells(row)))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else UNBOUNDED)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    conditions = "".join(f" [{name}: {value}]" for name, value in row["headers"].items())
    answered = row["says"] + (" (maintenance)" if row["maintenance"] else "")
    if row["version"]:
        conditions += names(row["version"])
        answered += ends(row["version"])
    at = f"{row['file']}:{row['line']}"
    return row["host"], ",".join(row["methods"]), row["path"] + conditions, "→", answered, row["auth"], at
