"""`gwproxy stored-keys`: API keys in the store that [state] names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from gwproxy.cli.key_form import SHOWN
from gwproxy.cli.keys_in_store import (
    StoredKey,
    keys_of,
    new_key,
    record_of,
    revoke_keys,
    store_of_keys,
    stored_authenticator,
)
from gwproxy.cli.told import as_json, usable

_FILE: Final = click.argument("file", type=click.Path(path_type=Path))
_AUTH: Final = click.option("--auth", default="", metavar="NAME", help="Authenticator, where several have a store.")


@click.group("stored-keys", short_help="Make, list and revoke API keys in the store.")
def stored_keys() -> None:
    """API keys in the store of [state], for an [auth.NAME] with store = true.

    FILE is the gateway's own, which says where the store is. No gateway has to run, and none is told: a new key works
    at once, or within 5 seconds where it was tried before; one that is taken back is refused within `cache`.
    """


@stored_keys.command(short_help="Make a key.")
@_FILE
@_AUTH
@click.option("--id", "id_", required=True, help="Id of the caller. It may have several keys.")
@click.option("--role", default="", help="Its role, out of [roles].")
@click.option("--permission", "permissions", multiple=True, help="A permission besides those of the role; repeatable.")
@click.option("--tier", default="", help="Its tier, out of [tiers].")
@click.option("--tenant", default="", help="Tenant that it belongs to.")
@click.option("--expires", default="", metavar="YYYY-MM-DD", help="Day, in UTC, from which on the key is refused.")
def new(file: Path, auth: str, **said: Any) -> None:
    """Make a key and print it, this once. The store gets its hash, and whom it stands for."""
    loaded = usable(file)[0]
    record = record_of(loaded, **said)
    with store_of_keys(loaded, auth) as store:
        key, made = new_key(store, record)
        where = store.where
    click.echo(f"{key}\n\nThe key is shown this once. {where} knows it as {made}.")


@stored_keys.command("list", short_help="List the keys.")
@_FILE
@_AUTH
@click.option("--json", "json_", is_flag=True, help="Print keys for programs.")
def list_(file: Path, auth: str, json_: bool) -> None:
    """List the keys that the store has. Of the keys themselves it knows no more than the hash."""
    with store_of_keys(usable(file)[0], auth) as store:
        keys = keys_of(store)
    if json_:
        click.echo(as_json([key.fields() for key in keys]))
    else:
        click.echo("\n".join(map(_line, keys)) or "no keys")


@stored_keys.command(short_help="Take keys back.")
@_FILE
@_AUTH
@click.argument("what", metavar="ID|HASH")
def revoke(file: Path, auth: str, what: str) -> None:
    """Take all keys of a caller back, by its ID, or one, by the first digits of its HASH; a key itself will do too."""
    loaded = usable(file)[0]
    _, method = stored_authenticator(loaded, auth)
    with store_of_keys(loaded, auth) as store:
        gone = revoke_keys(store, what)
    for key in gone:
        click.echo(f"revoked {key}")
    click.echo(f"Running gateways refuse what is revoked within {method.cache}.")


def _line(key: StoredKey) -> str:
    one = key.record
    if one is None:
        return str(key)
    facts = {"role": one.role, "permissions": " ".join(one.permissions), "tier": one.tier, "tenant": one.tenant,
             "until": one.expires}  # fmt: skip
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    return f"sha256:{key.hash[:SHOWN]}  {one.id}{f' ({told})' if told else ''}"
