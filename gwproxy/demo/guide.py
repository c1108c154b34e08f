"""What the demo says: where everything is, and what to try."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gwproxy import __version__


@dataclass(frozen=True, slots=True)
class Try:
    """One line to try: curl with `options` on `target`, the status to expect, and what it shows."""

    target: str
    status: int
    shows: str
    options: str = ""
    before: str = ""


TRIES: Final = (
    Try("/demo/hello", 200, "the gateway's own answer and the headers it adds", "-i"),
    Try("/demo/users/7", 200, "one user; /demo/users has all of them"),
    Try("/api/search?q=lamp", 200, "products, by the open route of routes.toml"),
    Try("/demo/orders", 201, "an order, priced by the service", '-d \'{"items":[{"product_id":1}]}\''),
    Try("/demo/analytics/summary", 200, "the shop's figures"),
    Try("/demo/echo/a%20b?x=1", 200, "what a service receives: your bytes, our headers"),
    Try("/demo/old", 302, "a redirect to /demo/hello", "-i"),
    Try("/demo/slow?seconds=2", 200, "after two seconds"),
    Try("/demo/slow?seconds=9", 504, "after five: the service's timeout", "-i"),
    Try("/demo/fail?status=503", 503, "a service's own error, passed on untouched", "-i"),
    Try("/demo/closed", 503, "the gateway's own, by `maintenance = true`", "-i"),
    Try("/demo/limited", 200, "three of these in ten seconds, then 429", "-i"),
    Try("/demo/events", 200, "ten events, one a second", "-N"),
    Try("/demo/download", 200, "100 MiB, streamed; ?bytes= for more", "-o /dev/null"),
    Try("/demo/upload", 200, "100 MiB the other way", "-T -", "head -c 100M /dev/zero | "),
    Try("/api/users", 401, "needs a credential", "-i"),
    Try("/nowhere", 404, "no such route", "-i"),
    Try("/demo/hello", 405, "only GET; see Allow", "-i -X DELETE"),
)


def command(line: Try, gateway: str) -> str:
    """The line as it is typed into a shell."""
    words = ("curl", line.options, shlex.quote(gateway + line.target))
    return line.before + " ".join(word for word in words if word)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as indented lines, every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [map(str.ljust, row, widths) for row in rows]
    return [f"  {'  '.join(row).rstrip()}" for row in padded]


def guide(gateway: str, services: Mapping[str, str], notes: Sequence[str]) -> str:
    """The whole text. `gateway` is its base URL, `services` tell where each of the services is."""
    tries = [(command(line, gateway), str(line.status), line.shows) for line in TRIES]
    paragraphs = [
        [f"gwproxy {__version__} serves {gateway}; Ctrl-C ends it."],
        list(notes),
        ["Sample services:", *table([*services.items()])] if services else [],
        ["To try in another terminal, with the status to expect:", *table(tries)],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)
