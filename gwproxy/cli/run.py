"""`gwproxy run`: serve a file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from gwproxy.cli.operate import folder_of, runtime_option
from gwproxy.cli.told import Failed, refused
from gwproxy.config.problems import ConfigError
from gwproxy.runtime.folder import FolderError
from gwproxy.runtime.listeners import ListenError
from gwproxy.runtime.private_store import StoreError
from gwproxy.runtime.serve import serve
from gwproxy.runtime.supervisor import NoWorker


@click.command(short_help="Serve a file.")
@click.argument("file", default="routes.toml", type=click.Path(path_type=Path))
@runtime_option
def run(file: Path, runtime: Path | None) -> None:
    """Serve FILE (routes.toml where none is named).

    SIGTERM and Ctrl-C finish what is under way, a second one ends at once. SIGHUP reads FILE again: it is served from
    the next request on, or nothing changes and the log says why.
    """
    try:
        asyncio.run(serve(file, os.environ, folder_of(runtime)))
    except ConfigError as error:
        raise refused(file, error.problems) from None
    except ListenError as error:
        raise Failed(str(error)) from None
    except (FolderError, StoreError, NoWorker, OSError) as error:
        raise Failed(f"gwproxy: {error}") from None
