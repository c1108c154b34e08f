"""What the verbs that speak to a running gateway share: where it is, and how it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gwproxy.cli.told import Failed
from gwproxy.runtime.control import NobodyThere, ask
from gwproxy.runtime.folder import SOCKET, default_folder

runtime_option: Callable[[Any], Any] = click.option(
    "--runtime",
    "runtime",
    type=click.Path(path_type=Path),
    help="The gateway's runtime folder. Default: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/gwproxy or /run/gwproxy.",
)


def folder_of(runtime: Path | None) -> Path:
    """The runtime folder that is meant."""
    return runtime or default_folder(os.environ)


def asked(runtime: Path | None, verb: str) -> Any:
    """The running gateway's answer. Raises Failed where there is none."""
    try:
        answer = ask(folder_of(runtime) / SOCKET, verb)
    except NobodyThere as error:
        raise Failed(f"gwproxy: {error}") from None
    if isinstance(answer, dict) and "error" in answer:
        raise Failed(f"gwproxy: {answer['error']}")
    return answer
