"""The command `gwproxy`: one file a verb. Exit 0 fine, 1 the file or the start failed, 2 wrong usage."""

from __future__ import annotations

import click

from gwproxy import __version__
from gwproxy.cli.check import check
from gwproxy.cli.demo import demo
from gwproxy.cli.explain import explain
from gwproxy.cli.key import key
from gwproxy.cli.limits import limits
from gwproxy.cli.password import password
from gwproxy.cli.reload import reload
from gwproxy.cli.routes import routes
from gwproxy.cli.run import run
from gwproxy.cli.schema import schema
from gwproxy.cli.status import status
from gwproxy.cli.stored_keys import stored_keys
from gwproxy.cli.tenants import tenants
from gwproxy.cli.token import token
from gwproxy.cli.upgrade import upgrade
from gwproxy.cli.version import version

__all__ = ["main"]

main = click.Group(
    "gwproxy",
    help="An API gateway. Start with `gwproxy demo`; `gwproxy VERB --help` tells more of a verb.",
    commands={
        verb.name or "": verb
        for verb in (
            run, reload, status, limits, upgrade, check, routes, explain, schema, key, stored_keys, tenants, password,
            token, demo, version,
        )  # fmt: skip
    },
    params=[],
    context_settings={"help_option_names": ["-h", "--help"]},
)
click.version_option(__version__, prog_name="gwproxy", message="%(prog)s %(version)s")(main)
