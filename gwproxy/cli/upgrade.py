"""`gwproxy upgrade`: have a running gateway go on with the code that is installed now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import click

from gwproxy.cli.operate import asked, folder_of, runtime_option
from gwproxy.cli.told import Failed
from gwproxy.runtime.control import NobodyThere, ask
from gwproxy.runtime.folder import SOCKET

WITHIN_S: Final = 120.0


@click.command(short_help="Have a running gateway go on with the code that is installed now.")
@runtime_option
def upgrade(runtime: Path | None) -> None:
    """Have a running gateway go on with the code that is installed now.

    The new code checks the file first. Then the supervisor becomes the new one, in the same process, and workers are
    replaced one after another; idle connections move to the new ones. Waits for the outcome; refused, nothing has
    changed and the exit code is 1.
    """
    before = asked(runtime, "status")
    path = folder_of(runtime) / SOCKET
    try:
        outcome = ask(path, "upgrade")
    except NobodyThere:
        # No answer: whoever was asked is somebody else now.
        outcome = _awaited(path, before["generation"])
    text = "\n".join(outcome["lines"])
    if not outcome["ok"]:
        raise Failed(text)
    click.echo(text)


def _awaited(path: Path, generation: int) -> Any:
    """How the new supervisor fared with its workers."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        try:
            found = ask(path, "status")
        except NobodyThere:
            found = {"generation": 0}
        if found["generation"] > generation and found["last_reload"]:
            return {"ok": found["last_reload"][-1].startswith("upgraded"), "lines": found["last_reload"]}
        time.sleep(0.1)
    raise Failed(f"gwproxy: the gateway was not heard of for {WITHIN_S:g} s after it began to upgrade")
