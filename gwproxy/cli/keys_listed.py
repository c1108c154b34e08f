"""The API keys of a file as `gwproxy key list` tells them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gwproxy.cli.keys_file import around, content_of, is_keys_file, is_users_file, users_file
from gwproxy.cli.told import refused
from gwproxy.config.auth import ApiKey, ApiKeyEntry
from gwproxy.config.load import load
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import ConfigError

# Wide enough that nothing is folded or cut where no terminal says how wide it is.
UNBOUNDED: Final = 10_000


def keys_in(path: Path) -> list[dict[str, Any]]:
    """The keys of a keys file, or of a gateway's own and the keys files that it names. Raises Failed."""
    content = content_of(path)
    if is_users_file(content):
        raise users_file(path)
    own = not is_keys_file(content)
    loaded = _loaded(path) if own else around(path)
    return [
        {"auth": name if own else None, **_told(loaded, ("auth", name, "keys", index), entry)}
        for name, method in loaded.config.auth.methods.items() if isinstance(method, ApiKey)
        for index, entry in enumerate(method.keys)
    ]  # fmt: skip


def _loaded(path: Path) -> Loaded:
    try:
        return load(path, os.environ)
    except ConfigError as error:
        raise refused(path, error.problems) from None


def _told(loaded: Loaded, key: tuple[str | int, ...], entry: ApiKeyEntry) -> dict[str, Any]:
    place = loaded.places.find(key)
    today = datetime.now(UTC).date()
    return {
        "id": entry.id, "role": entry.role, "permissions": list(entry.permissions), "tier": entry.tier,
        "tenant": entry.tenant, "expires": entry.expires.isoformat() if entry.expires is not None else None,
        "expired": entry.expires is not None and entry.expires <= today,
        "hash": entry.hash, "file": place.file, "line": place.line,
    }  # fmt: skip


def print_keys(keys: Sequence[dict[str, Any]], digits: int) -> None:
    """A line for each; `digits` of a hash tell keys apart. Columns that nobody fills are left out."""
    rows = [_cells(each, digits) for each in keys]
    headings = [heading for heading in rows[0] if any(row[heading] for row in rows)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        # Text, since rich would read [brackets] in a name as its own markup.
        table.add_row(*(Text(row[heading]) for heading in headings))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else UNBOUNDED)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _cells(each: dict[str, Any], digits: int) -> dict[str, str]:
    return {
        "auth": each["auth"] or "",
        "id": each["id"],
        "role": each["role"] or "",
        "permissions": ", ".join(each["permissions"]),
        "tier": each["tier"] or "",
        "tenant": each["tenant"] or "",
        "expires": f"{each['expires'] or ''}{' (expired)' if each['expired'] else ''}",
        "hash": each["hash"][: len("sha256:") + digits],
        "at": f"{each['file']}:{each['line']}",
    }
