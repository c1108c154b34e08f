"""`gwproxy status`: what a running gateway does, for people, as JSON, or again and again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gwproxy.cli.operate import asked, runtime_option
from gwproxy.cli.told import span


@click.command(short_help="Tell what a running gateway does.")
@runtime_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
def status(runtime: Path | None, as_json: bool, watch: bool) -> None:
    """Tell what a running gateway does: its workers, connections and requests."""
    if as_json and watch:
        raise click.UsageError("--json tells once: leave out --watch, or ask again yourself")
    found = asked(runtime, "status")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif not watch:
        Console(highlight=False).print(_shown(found))
    else:
        _watch(runtime, found)


def _watch(runtime: Path | None, found: Any) -> None:
    with Live(_shown(found), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(1)
                before, found = found, asked(runtime, "status")
                rate = found["tally"]["exchanges"] - before["tally"]["exchanges"]
                live.update(_shown(found, f"{rate}/s"), refresh=True)
        except KeyboardInterrupt:
            return


def _shown(found: Any, rate: str = "") -> Group:
    tally = found["tally"]
    lived = time.time() - found["began"]
    head = (
        f"gwproxy {found['version']}, pid {found['pid']}, {found['state']} for {span(lived)}, "
        f"{found['file']} (generation {found['generation']})"
    )
    lines = [head, *(f"listening on {address}" for address in found["listeners"])]
    requests = f"requests {tally['exchanges']}" + (f", {rate}" if rate else "")
    by_class = ", ".join(f"{name} {count}" for name, count in _classes(tally["by_status"]))
    lines.append(f"{requests}{': ' if by_class else ''}{by_class}")
    lines += found["last_reload"][-1:]
    troubles = {each["store_trouble"]: None for each in found["workers"] if each["store_trouble"]}
    lines += [f"limits are not counted by their store: {trouble}" for trouble in troubles]
    forgets = {each["store_evicts"]: None for each in found["workers"] if each.get("store_evicts")}
    lines += [f"limits may be forgotten by their store: {policy}; noeviction is safe" for policy in forgets]
    issuers = {each["key_trouble"]: None for each in found["workers"] if each.get("key_trouble")}
    lines += [f"keys could not be fetched: {trouble}" for trouble in issuers]
    tables: list[Any] = [_workers(found["workers"])]
    if found["services"]:
        tables += [Text(""), _services(found["services"])]
    return Group(*(Text(line) for line in lines), *tables)


def _workers(workers: list[Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("worker", "pid", "state", "for", "connections", "requests", "restarts"):
        table.add_column(name, justify="left" if name in ("state", "for") else "right")
    for each in workers:
        state = each["state"]
        if state == "serving" and not each["accepting"]:
            state = "serving, no descriptors left" if each["short"] else "serving, has its share"
        row = (each["number"], each["pid"], state, span(each["lived_s"]), each["connections"])
        table.add_row(*map(str, (*row, each["exchanges"], each["restarts"])))
    return table


def _services(services: dict[str, Any]) -> Table:
    """How long answers took; what the gateway answered itself comes last."""
    table = Table(box=None, pad_edge=False)
    for name in ("service", "requests", "p50", "p90", "p99", "longest"):
        table.add_column(name, justify="left" if name == "service" else "right")
    for name, each in sorted(services.items(), key=lambda pair: (not pair[0], pair[0])):
        times = (_milliseconds(each[key]) for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms"))
        table.add_row(name or "(the gateway)", str(each["exchanges"]), *times)
    return table


def _milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 100 else f"{value / 1000:.2f} s"


def _classes(by_status: dict[str, int]) -> list[tuple[str, int]]:
    """Statuses by their first digit; what is worth a look of its own by itself."""
    found: dict[str, int] = {}
    for status, count in sorted(by_status.items()):
        name = status if status in ("429", "499", "502", "503", "504") else f"{status[0]}xx"
        found[name] = found.get(name, 0) + count
    return list(found.items())
