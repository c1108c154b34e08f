"""`gwproxy demo`: sample services, and the gateway in front of them."""

from __future__ import annotations

import os

import click

from gwproxy.cli.told import Failed, refused
from gwproxy.config.problems import ConfigError
from gwproxy.demo.run import DEMO_FILE
from gwproxy.demo.run import main as run_demo
from gwproxy.runtime.listeners import ListenError


@click.command(short_help="Try it: sample services and the gateway.")
def demo() -> None:
    """Start sample services and the gateway on them, print what to try, and serve until Ctrl-C."""
    try:
        run_demo(os.environ, click.echo)
    except ConfigError as error:
        raise refused(DEMO_FILE, error.problems) from None
    except (ListenError, OSError) as error:
        raise Failed(f"gwproxy: {error}") from None
