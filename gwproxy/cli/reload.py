"""`gwproxy reload`: have a running gateway read its file again, and wait for the outcome."""

from __future__ import annotations

from pathlib import Path

import click

from gwproxy.cli.operate import asked, runtime_option
from gwproxy.cli.told import Failed


@click.command(short_help="Have a running gateway read its file again.")
@runtime_option
def reload(runtime: Path | None) -> None:
    """Have a running gateway read its file again.

    Waits until every worker serves the new file, or until it is refused: then nothing has changed, the reasons are
    told, and the exit code is 1.
    """
    outcome = asked(runtime, "reload")
    text = "\n".join(outcome["lines"])
    if not outcome["ok"]:
        raise Failed(text)
    click.echo(text)
