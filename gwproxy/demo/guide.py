"""What the demo says: where everything is, and what to try."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gwproxy import __version__


@dataclass(frozen=True, slots=True)
class Try:
    """One line to try: curl with `options` on `target`, the status to expect, and what it shows.

    `who` is the shell variable that holds the credential, empty for a caller without one.
    """

    target: str
    status: int
    shows: str
    options: str = ""
    before: str = ""
    who: str = ""


ADDED: Final = """-d '{"name":"Zoe","email":"zoe@example"}'"""
ORDER: Final = '-d \'{"items":[{"product_id":1}]}\''

OPEN: Final = (
    Try("/demo/hello", 200, "the gateway's own answer and the headers it adds", "-i"),
    Try("/demo/users/7", 200, "one user; /demo/users has all of them"),
    Try("/api/search?q=lamp", 200, "products, by the open route of routes.toml"),
    Try("/demo/orders", 201, "an order, priced by the service", ORDER),
    Try("/demo/analytics/summary", 200, "the shop's figures"),
    Try("/demo/echo/a%20b?x=1", 200, "what a service receives: your bytes, our headers"),
    Try("/demo/old", 302, "a redirect to /demo/hello", "-i"),
    Try("/demo/slow?seconds=2", 200, "after two seconds"),
    Try("/demo/slow?seconds=9", 504, "after five: the service's timeout", "-i"),
    Try("/demo/fail?status=503", 503, "a service's own error, passed on untouched", "-i"),
    Try("/demo/closed", 503, "the gateway's own, by `maintenance = true`", "-i"),
    Try("/demo/limited?[1-4]", 429, "the fourth of them: three in ten seconds", "-i"),
    Try("/demo/events", 200, "ten events, one a second", "-N"),
    Try("/demo/download", 200, "100 MiB, streamed; ?bytes= for more", "-o /dev/null"),
    Try("/demo/upload", 200, "100 MiB the other way", "-T -", "head -c 100M /dev/zero | "),
    Try("/nowhere", 404, "no such route", "-i"),
    Try("/demo/hello", 405, "only GET; see Allow", "-i -X DELETE"),
)

KNOWN: Final = (
    Try("/api/users", 200, "users:read, of the role user", who="user"),
    Try("/api/users/7", 200, "the same", who="user"),
    Try("/api/users/search?q=li", 200, "whoever is known may search", who="user"),
    Try("/demo/echo", 200, "what the service is told of you", who="user"),
    Try("/api/orders", 200, "orders:*, of the role partner", who="partner"),
    Try("/api/orders/1001", 200, "the same", who="partner"),
    Try("/api/orders", 201, "orders:write, which users have", ORDER, who="user"),
    Try("/api/users", 201, "users:write: the role admin has *", ADDED, who="admin"),
    Try("/api/analytics/summary", 200, "analytics:read", who="admin"),
    Try("/api/dashboard", 501, "let in; aggregations come later", "-i", who="admin"),
    Try("/api/checkout/summary", 501, "the tier pro may as well", "-i -X POST", who="partner"),
    Try("/api/users", 401, "no credential was sent", "-i"),
    Try("/api/users", 401, "one that proves nothing", "-i -H 'Authorization: Bearer x.y.z'"),
    Try("/api/users", 403, "a user lacks users:write", "-i -X POST", who="user"),
    Try("/api/dashboard", 403, "not included in the tier basic", "-i", who="user"),
    Try("/api/users/search?q=[1-31]", 429, "the last: thirty in a minute", "-i", who="user"),
)

TRIES: Final = OPEN + KNOWN

AS_SOMEBODY: Final = """\
To try as somebody: user is Greta Hofmann (id 7, tier basic), admin is Elif Kaya (id 5, tier enterprise), partner has an
API key (tier pro). Paste these lines into that terminal; the tokens hold for twelve hours."""


def command(line: Try, gateway: str) -> str:
    """The line as it is typed into a shell."""
    who = f'-H "${line.who}"' if line.who else ""
    words = ("curl", who, line.options, shlex.quote(gateway + line.target))
    return line.before + " ".join(word for word in words if word)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as indented lines, every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [map(str.ljust, row, widths) for row in rows]
    return [f"  {'  '.join(row).rstrip()}" for row in padded]


def _tried(gateway: str, tries: Sequence[Try]) -> list[str]:
    return table([(command(line, gateway), str(line.status), line.shows) for line in tries])


def guide(
    gateway: str, services: Mapping[str, str], notes: Sequence[str], credentials: Mapping[str, str] | None = None
) -> str:
    """The whole text. `gateway` is its base URL, `services` tell where each of the services is, and `credentials` are
    the header lines of those who have one, by the shell variable that holds each.
    """
    variables = [f"{name}={shlex.quote(line)}" for name, line in (credentials or {}).items()]
    paragraphs = [
        [f"gwproxy {__version__} serves {gateway}; Ctrl-C ends it."],
        list(notes),
        ["Sample services:", *table([*services.items()])] if services else [],
        ["To try in another terminal, with the status to expect:", *_tried(gateway, OPEN)],
        [AS_SOMEBODY] if variables else [],
        variables,
        ["Then, with the status to expect:", *_tried(gateway, KNOWN)] if variables else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)
