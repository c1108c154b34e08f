"""What the verbs that speak to a running gateway share: where it is, and how it is asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from gwproxy.cli.told import Failed
from gwproxy.runtime.control import NobodyThere, ask
from gwproxy.runtime.folder import SOCKET, default_folder, is_taken

PATIENCE_S: Final = 10.0

runtime_option: Callable[[Any], Any] = click.option(
    "--runtime",
    "runtime",
    type=click.Path(path_type=Path),
    help="The gateway's runtime folder. Default: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/gwproxy or /run/gwproxy.",
)


def folder_of(runtime: Path | None) -> Path:
    """The runtime folder that is meant."""
    return runtime or default_folder(os.environ)


def asked(runtime: Path | None, verb: str, **arguments: str) -> Any:
    """The running gateway's answer. Raises Failed where there is none."""
    folder, end = folder_of(runtime), time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = ask(folder / SOCKET, verb, **arguments)
            break
        except NobodyThere as error:
            # It may be becoming another just now.
            if not is_taken(folder) or time.monotonic() > end:
                raise Failed(f"gwproxy: {error}") from None
        time.sleep(0.05)
    if isinstance(answer, dict) and "error" in answer:
        raise Failed(f"gwproxy: {answer['error']}")
    return answer
