"""API keys in a store that outlasts the gateway: made, listed and taken back. What is kept of a key is its hash."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import click

from gwproxy.auth.principal import Identities, Unproved
from gwproxy.auth.records import KeyRecord, key_record, written
from gwproxy.cli.key_form import DIGITS, LEAST_DIGITS, PREFIX, SHOWN, digest_of, digits_of, new_secret
from gwproxy.cli.record_store import RecordStore, record_store
from gwproxy.cli.told import Failed
from gwproxy.config.auth import ApiKey
from gwproxy.config.loaded import Loaded
from gwproxy.config.schema import Config
from gwproxy.config.tenants import NAME_IN_WORDS, may_be_tenant
from gwproxy.snapshot.credentials import key_records
from gwproxy.state.records import LONGEST

_DIGITS: Final = re.compile(f"[0-9a-f]{{{LEAST_DIGITS},64}}")
_WHOLE: Final = 64


class StoredKey(NamedTuple):
    """A key as it is known; `record` is None where what stands there cannot be read, and `fault` says why."""

    hash: str
    record: KeyRecord | None
    fault: str = ""

    def __str__(self) -> str:
        who = self.record.id if self.record is not None else f"cannot be read: {self.fault}"
        return f"sha256:{self.hash[:SHOWN]} {who}"

    def fields(self) -> dict[str, Any]:
        """For programs."""
        if self.record is None:
            return {"hash": f"sha256:{self.hash}", "fault": self.fault}
        one = self.record
        return {"hash": f"sha256:{self.hash}", "id": one.id, "role": one.role, "permissions": list(one.permissions),
                "tier": one.tier, "tenant": one.tenant, "expires": one.expires}  # fmt: skip


def stored_authenticator(loaded: Loaded, name: str) -> tuple[str, ApiKey]:
    """The authenticator of this name; "" for the only one that has a store. Raises Failed where it has none."""
    methods, file = loaded.config.auth.methods, loaded.files[0]
    able = {each: one for each, one in methods.items() if isinstance(one, ApiKey) and one.store}
    if name and name not in methods:
        raise Failed(f"{file}: there is no [auth.{name}]: {', '.join(methods) or 'there are none at all'}")
    if name and name not in able:
        raise Failed(f'{file}: auth.{name} has no keys in the store: it wants type = "api_key" and store = true')
    if not name and not able:
        raise Failed(f"{file}: no authenticator has keys in the store: write store = true into an [auth.NAME]")
    if not name and len(able) > 1:
        raise Failed(f"{file}: several authenticators have keys in the store; say which with --auth: {', '.join(able)}")
    name = name or next(iter(able))
    return name, able[name]


def store_of_keys(loaded: Loaded, name: str) -> AbstractContextManager[RecordStore]:
    """The keys of an authenticator, as `stored_authenticator` finds it. Raises Failed."""
    name, method = stored_authenticator(loaded, name)
    spec = key_records(name, method)
    assert spec is not None
    return record_store(loaded.config.state, spec.family)


def record_of(
    loaded: Loaded, *, id_: str, role: str, permissions: tuple[str, ...], tier: str, tenant: str, expires: str
) -> KeyRecord:
    """A record, read as the gateway will read it. Raises click.UsageError for what nobody would find out later."""
    record = KeyRecord(
        id=id_, role=role or None, permissions=permissions, tier=tier or None, tenant=tenant or None,
        expires=expires or None,
    )  # fmt: skip
    try:
        text = written(record)
        key_record(text)
        Identities({}).principal("", id_, roles=(role,), tenant=tenant)
    except (ValueError, UnicodeEncodeError, Unproved) as error:
        raise click.UsageError(str(error)) from None
    if len(text) > LONGEST:
        raise click.UsageError(f"the record has {len(text)} bytes, and may have {LONGEST}: give it a role")
    if expires and expires <= datetime.now(UTC).date().isoformat():
        raise click.UsageError(f"--expires: {expires} has begun: the key would be refused from the start")
    for option, name, there in (("role", role, loaded.config.roles), ("tier", tier, loaded.config.tiers)):
        if name and name not in there:
            raise click.UsageError(f"--{option}: {name} is none of [{option}s]: {', '.join(there) or 'there are none'}")
    _check_tenant(loaded.config, tenant)
    return record


def _check_tenant(config: Config, name: str) -> None:
    """Raises click.UsageError for a name that is, and will be, no tenant's."""
    tenancy, known = config.tenancy, config.tenants
    if not name or tenancy is None or name in known:
        return
    if not may_be_tenant(name):
        raise click.UsageError(f"--tenant: no tenant can have this name: {NAME_IN_WORDS}")
    if name in tenancy.reserved:
        raise click.UsageError(f"--tenant: {name} is reserved: [tenancy] reserved")
    if not tenancy.store:
        raise click.UsageError(f"--tenant: {name} is none of [tenants]: {', '.join(known) or 'there are none'}")


def new_key(store: RecordStore, record: KeyRecord) -> tuple[str, StoredKey]:
    """Make a key for whom `record` says: the key, which nobody will see again, and what is known of it."""
    key = new_secret()
    made = StoredKey(digest_of(key), record)
    store.put(made.hash, written(record))
    return key, made


def keys_of(store: RecordStore) -> list[StoredKey]:
    """All keys, by whom they stand for."""
    found = [_read(name, text) for name, text in store.all().items()]
    return sorted(found, key=lambda one: (one.record.id if one.record is not None else "", one.hash))


def revoke_keys(store: RecordStore, what: str) -> list[str]:
    """Take back all keys of an id, or the one whose hash begins so, or a key itself: which.

    Raises Failed where there is none, and where a hash could be several.
    """
    digits = digits_of(what)
    if DIGITS.fullmatch(digits) and len(digits) == _WHOLE:
        # Nothing has to be looked through.
        gone = [f"sha256:{digits[:SHOWN]}"] if store.remove(digits) else []
    else:
        gone = [str(key) for key in _meant(keys_of(store), what, digits) if store.remove(key.hash)]
    if not gone:
        named = "this key" if what.startswith(PREFIX) else what
        raise Failed(f"there is no key of {named}; an id, or {LEAST_DIGITS} digits of a hash at the least, name one")
    return gone


def _meant(keys: list[StoredKey], what: str, digits: str) -> list[StoredKey]:
    found = [key for key in keys if key.record is not None and key.record.id == what]
    if not found and DIGITS.fullmatch(digits):
        found = [key for key in keys if key.hash.startswith(digits)]
        if len(found) > 1:
            raise Failed(f"{what} begins several: {', '.join(map(str, found))}")
    return found


def _read(name: str, text: bytes) -> StoredKey:
    if not text:
        return StoredKey(name, None, "it is no string")
    if len(text) > LONGEST:
        return StoredKey(name, None, f"it is longer than {LONGEST} bytes")
    try:
        return StoredKey(name, key_record(text))
    except ValueError as error:
        return StoredKey(name, None, str(error))
