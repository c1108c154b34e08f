"""`gwproxy explain`: what would become of one request, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from gwproxy.cli.explanation import Explanation, explanation
from gwproxy.cli.told import as_json, usable
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.addresses import address_of


@click.command(short_help="Tell what becomes of one request, and why.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("method")
@click.argument("url")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of the request."
)
@click.option("--address", default="", metavar="ADDRESS", help="Who asks: judged by the rules of addresses.")
@click.option("--json", "json_", is_flag=True, help="Print the explanation for programs.")
def explain(file: Path, method: str, url: str, headers: tuple[str, ...], address: str, json_: bool) -> None:
    """Tell what FILE makes of the request METHOD URL: its route and why, who answers, or which refusal.

    Nothing is sent. URL is http://HOST/PATH, or a path alone, which is asked of the host localhost; for OPTIONS it may
    be '*' too, the server as a whole.
    """
    raw = typed_request(method, url, headers)
    if address and address_of(address) is None:
        raise click.UsageError(f"{address!r} is no address: write 203.0.113.7 or 2001:db8::1")
    told = explanation(*usable(file), raw, address)
    if json_:
        click.echo(as_json(told.as_dict()))
        return
    for line in _lines(told):
        click.echo(line)


def _lines(told: Explanation) -> Iterator[str]:
    yield told.verdict
    for label, value in _facts(told):
        # The names of some fields are longer than the column.
        yield f"  {label:<9} {value}"
    for heading, values in (("lost", told.lost), ("not in force", told.not_in_force)):
        if values:
            yield f"  {heading}"
            yield from (f"    {value}" for value in values)


def _facts(told: Explanation) -> Iterator[tuple[str, str]]:
    if told.why:
        yield "why", told.why
    yield from ((name, value) for name, values in told.fields.items() for value in values)
    if told.route:
        yield "route", f"{told.route['key']}  {told.route['says']}  ({told.route['at']})"
    if told.version:
        yield "version", told.version
    for name, value in told.params.items():
        yield "param", f"{name} = {value}"
    if told.route:
        yield "who", told.who
    if told.tenant:
        yield "tenant", told.tenant
    for rule in told.addresses:
        yield "addresses", rule
    if told.cors:
        yield "cors", told.cors
    for limit in told.limits:
        yield "limit", limit
    if told.route:
        yield "answer", told.answer["says"]
    for asked in told.asks:
        yield "asks", asked
    if told.timeouts:
        yield "timeouts", ", ".join(f"{name} {value}" for name, value in told.timeouts.items())
    if told.route and told.answer["kind"] == "service":
        yield "body", f"at most {told.max_body} from the caller"
