"""`gwproxy schema`: the file's JSON Schema, for editors."""

from __future__ import annotations

import click

from gwproxy.cli.told import as_json
from gwproxy.config.jsonschema import json_schema


@click.command(short_help="Print the JSON Schema of the file.")
def schema() -> None:
    """Print the JSON Schema (Draft 2020-12) of the configuration file."""
    click.echo(as_json(json_schema()))
