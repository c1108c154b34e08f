"""`gwproxy limits`: what a running gateway's limits know of one caller, and their permits back."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gwproxy.cli.operate import asked, runtime_option
from gwproxy.cli.told import as_json, counted, span
from gwproxy.limits.caller import who_is

# Wide enough that nothing is folded where no terminal says how wide it is.
UNBOUNDED = 10_000


def _principal(context: click.Context, parameter: click.Parameter, written: str) -> str:
    """As it is written, where the gateway would understand it: the network is for it to say."""
    try:
        who_is(written, 64)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return written


@click.group(short_help="Look at a caller's limits, or give it all permits back.")
def limits() -> None:
    """What the limits of a running gateway have counted of one caller.

    PRINCIPAL is the id of a known caller, an address (203.0.113.7; one of IPv6 stands for its network) for who is
    anonymous, or header:NAME=VALUE for limits with by = "header:NAME". Write id:ID for an id that looks like another.
    """


@limits.command(short_help="Tell what is left to a caller.")
@click.argument("principal", callback=_principal)
@runtime_option
@click.option("--json", "json_", is_flag=True, help="The same for programs.")
def show(principal: str, runtime: Path | None, json_: bool) -> None:
    """Tell of each limit that knows PRINCIPAL how much is left, and when there is more where nothing is.

    To be looked at costs the caller nothing.
    """
    found = asked(runtime, "limits_show", principal=principal)
    if json_:
        click.echo(as_json({"principal": principal, **found}))
    elif not found["limits"] and not found["more"]:
        click.echo(f"nothing is known of {principal}")
    else:
        _print_table(found["limits"])
        if found["more"]:
            click.echo(f"and {counted(found['more'], 'limit')} more")


@limits.command(short_help="Give a caller all its permits back.")
@click.argument("principal", callback=_principal)
@runtime_option
def reset(principal: str, runtime: Path | None) -> None:
    """Give PRINCIPAL all its permits back, of each limit that is its own. What it has used of others' stays used."""
    count = asked(runtime, "limits_reset", principal=principal)["limits"]
    if count:
        click.echo(f"{principal} has all permits of {counted(count, 'limit')} again")
    else:
        click.echo(f"nothing was known of {principal}")


def _print_table(known: list[Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("limit", "left", "next", "key"):
        table.add_column(heading, overflow="fold")
    for each in known:
        # Rather a second too long than too short.
        wait = span(math.ceil(each["wait_us"] / 1_000_000))
        left = f"{each['left']} of {each['requests']}"
        # Text, since rich would read [brackets] in a key as its own markup.
        table.add_row(*map(Text, (each["name"], left, "" if each["left"] else f"in {wait}", each["key"])))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else UNBOUNDED)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
