"""What the records of a store say of a key and of a tenant. What does not say just that, in just that form, is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from gwproxy.auth.keys.strict_json import read_json
from gwproxy.config.forms import Name, Text, Word

T = TypeVar("T", bound=Struct)

FOREVER = float("inf")
# RFC 3339 section 5.6, full-date.
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]


class KeyRecord(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Whom a key stands for, as in [[auth.NAME.keys]]. The key itself is nowhere: its hash is the record's name."""

    id: Word
    role: Text | None = None
    permissions: tuple[Text, ...] = ()
    tier: Text | None = None
    tenant: Text | None = None
    expires: Day | None = None

    @property
    def until(self) -> float:
        """From when on it is refused, in seconds since 1970. Raises ValueError for no day of the calendar."""
        if self.expires is None:
            return FOREVER
        return datetime.fromisoformat(self.expires).replace(tzinfo=UTC).timestamp()


class TenantRecord(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A tenant, as in [tenants.NAME]; targets of its own only the file has."""

    plan: Name | None = None
    active: bool = True


def key_record(text: bytes) -> KeyRecord:
    """A key's. Raises ValueError, which repeats nothing that a record has for a value."""
    record = _read(text, KeyRecord)
    try:
        record.until  # noqa: B018
    except ValueError:
        raise ValueError("expires is no day of the calendar") from None
    return record


def tenant_record(text: bytes) -> TenantRecord:
    """A tenant's. Raises ValueError, as for a key's."""
    return _read(text, TenantRecord)


def written(record: Struct) -> bytes:
    """A record as it stands in the store."""
    return msgspec.json.encode(record)


def _read(text: bytes, kind: type[T]) -> T:
    found: Any = read_json(text)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
