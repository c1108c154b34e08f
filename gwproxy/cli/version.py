"""`gwproxy version`: what runs here."""

from __future__ import annotations

import platform
import sysconfig
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Final

import click

from gwproxy import __version__

PARTS: Final = ("uvloop", "aiohttp", "aiodns", "msgspec", "orjson")
# What makes a build of Python fast, as its configure calls it: worth more than most of our features.
FAST: Final = {"--enable-optimizations": "PGO", "--with-lto": "LTO"}


@click.command(short_help="Print what runs here.")
def version() -> None:
    """Print the versions of gwproxy, Python and the libraries that its speed depends on."""
    click.echo(f"gwproxy {__version__}")
    click.echo(f"{platform.python_implementation()} {platform.python_version()} ({_build()})")
    click.echo(", ".join(f"{part} {_version(part)}" for part in PARTS))


def _build() -> str:
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    # Distributions optimise by other ways too, so silence is no proof of a slow build.
    fast = [word for option, word in FAST.items() if option in options]
    return ", ".join((" ".join(platform.python_build()), platform.python_compiler(), *fast))


def _version(part: str) -> str:
    try:
        return version_of(part)
    except PackageNotFoundError:
        return "not installed"
