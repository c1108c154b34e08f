"""`gwproxy key`: API keys made, listed and taken back. Files are edited, and no running gateway is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from gwproxy.cli.key_form import DIGITS, LEAST_DIGITS, PREFIX, SHOWN, digest_of, digits_of, new_secret
from gwproxy.cli.keys_file import ELSEWHERE, entries_of, held, replace, text_of
from gwproxy.cli.keys_listed import keys_in, print_keys
from gwproxy.cli.keys_text import entry_text, with_entry, without_entries
from gwproxy.cli.told import Failed, as_json
from gwproxy.config.auth import ApiKeyEntry
from gwproxy.config.load import loads
from gwproxy.config.loaded import LoadError
from gwproxy.config.tenants import NAME_IN_WORDS, may_be_tenant
from gwproxy.snapshot.credentials import unusable_keys

RELOAD: Final = "A running gateway goes by it from the next `gwproxy reload` on."
_DIGITS: Final = re.compile(f"[0-9a-f]{{{LEAST_DIGITS},64}}")
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.group(short_help="Make, list and revoke API keys.")
def key() -> None:
    """Make, list and revoke API keys.

    These verbs edit files only: what they have changed is in force once a running gateway has read its file again
    (`gwproxy reload`).
    """


@key.command(short_help="Make a key.")
@click.option("--file", "file", type=_FILE, help="Keys file that gets the entry; made where there is none.")
@click.option("--id", "id_", required=True, help="Id of the caller. It may have several keys.")
@click.option("--role", default="", help="Its role, out of [roles].")
@click.option("--permission", "permissions", multiple=True, help="A permission besides those of the role; repeatable.")
@click.option("--tier", default="", help="Its tier, out of [tiers].")
@click.option("--tenant", default="", help="Tenant that it belongs to.")
@click.option("--expires", default="", metavar="YYYY-MM-DD", help="Day, in UTC, from which on the key is refused.")
def new(file: Path | None, expires: str, id_: str, **said: Any) -> None:
    """Make a key and print it, this once, with the entry that the gateway knows it by.

    The entry has the key's hash; nobody can tell the key from it. With --file it is written behind those of that keys
    file, the keys_file of an authenticator.
    """
    made = new_secret()
    hash_ = f"sha256:{digest_of(made)}"
    fields = {"hash": hash_, "id": id_, "role": said["role"], "permissions": said["permissions"],
              "tier": said["tier"], "tenant": said["tenant"], "expires": expires}  # fmt: skip
    entry = entry_text("keys", fields)
    _check_entry(entry, expires, said["tenant"])
    if file is None:
        click.echo(f"{made}\n\n{entry}")
        click.echo(
            "The key is shown this once. Put the entry into a keys_file, or under [[auth.NAME.keys]] of the gateway's\n"
            f"file. {RELOAD}"
        )
        return
    others = [other for other in _add(file, entry) if other.id == id_]
    click.echo(f"{made}\n\n{entry}")
    click.echo(f"The key is shown this once. The entry is in {file}. {RELOAD}")
    for other in others:
        click.echo(f"{id_} has another key there: `gwproxy key revoke --file {file} {_hash(other)}` takes it back.")


@key.command("list", short_help="List the keys of a file.")
@click.argument("file", type=_FILE)
@click.option("--json", "json_", is_flag=True, help="Print keys for programs.")
def list_(file: Path, json_: bool) -> None:
    """List the keys of FILE, a keys file or a gateway's own with all keys files that it names.

    Of the keys themselves nobody knows more than the hash.
    """
    keys = keys_in(file)
    if json_:
        click.echo(as_json(keys))
    elif not keys:
        click.echo(f"{file}: no keys")
    else:
        print_keys(keys, SHOWN)


@key.command(short_help="Take keys back.")
@click.option("--file", "file", type=_FILE, required=True, help="Keys file that loses them.")
@click.argument("what", metavar="ID|HASH")
def revoke(file: Path, what: str) -> None:
    """Take the entries of a caller out of a keys file, by its ID; or one, by the first digits of its HASH.

    Everything else in the file stays as it is. What is both an id and the beginning of a hash is the id; write
    "sha256:…" for a hash. A key itself may be given as well, which takes out the entry of its hash.
    """
    with held(file):
        text, entries = text_of(file), entries_of(file)
        gone = _meant(entries, what, file)
        replace(file, without_entries(text, gone))
    for number in gone:
        click.echo(f"removed {_shown(entries[number])}")
    click.echo(RELOAD)


def _check_entry(entry: str, expires: str, tenant: str) -> None:
    """Raises click.UsageError for what the gateway would not read."""
    try:
        loaded = loads('[auth.new]\ntype = "api_key"\n' + entry.replace("[[keys]]", "[[auth.new.keys]]", 1))
        problems = tuple(unusable_keys(loaded))
    except LoadError as error:
        problems = tuple(problem for problem in error.problems if problem.kind not in ELSEWHERE)
    except UnicodeEncodeError:
        raise click.UsageError("what is written has bytes that are no UTF-8") from None
    for problem in problems:
        option = problem.key.partition("keys[0].")[2].replace("permissions", "permission").partition("[")[0]
        said = str(problem).partition(f"{problem.key}: ")[2]
        raise click.UsageError(f"--{option}: {said}" if option else said)
    if tenant and not may_be_tenant(tenant):
        raise click.UsageError(f"--tenant: no tenant can have this name: {NAME_IN_WORDS}")
    if expires and expires <= datetime.now(UTC).date().isoformat():
        raise click.UsageError(f"--expires: {expires} has begun: the key would be refused from the start")


def _add(file: Path, entry: str) -> tuple[ApiKeyEntry, ...]:
    """Write an entry into a keys file, and tell the others."""
    with held(file):
        there = file.exists()
        text, entries = (text_of(file), entries_of(file)) if there else ("", ())
        replace(file, with_entry(text, entry))
    return entries


def _meant(entries: Sequence[ApiKeyEntry], what: str, file: Path) -> list[int]:
    """Which entries are. Raises Failed where there is none, or where a hash could be several."""
    found = [number for number, entry in enumerate(entries) if entry.id == what]
    if found:
        return found
    digits = digits_of(what)
    if DIGITS.fullmatch(digits):
        found = [number for number, entry in enumerate(entries) if entry.hash.startswith(f"sha256:{digits}")]
    if len(found) > 1:
        raise Failed(f"{file}: {what} begins several: {', '.join(_shown(entries[number]) for number in found)}")
    if not found:
        # A key that was given is not repeated.
        named = "this key" if what.startswith(PREFIX) else what
        raise Failed(f"{file}: no entry of {named}; an id, or {LEAST_DIGITS} digits of a hash at the least, name one")
    return found


def _shown(entry: ApiKeyEntry) -> str:
    return f"{entry.id} {_hash(entry)}"


def _hash(entry: ApiKeyEntry) -> str:
    return entry.hash[: len("sha256:") + SHOWN]
