"""What was looked up in the store: kept over reloads, so that one while the store is down takes nothing away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gwproxy.auth.records import KeyRecord, TenantRecord, key_record, tenant_record
from gwproxy.limits.redis import RedisStore
from gwproxy.limits.store import Store
from gwproxy.state.records import Records, RecordsSpec, StoreFails, Take


class Nowhere:
    """A store that keeps nothing: `check` lets nobody look records up there."""

    def read(self, key: str, take: Take) -> None:
        """As the Reader of records."""
        take(StoreFails("[state] url is no store that keeps records"))


class Lookups:
    """The records by what the configuration says of them. They live by the store's connection, and end with it."""

    def __init__(self) -> None:
        self._made: dict[RecordsSpec, Records[Any]] = {}
        self._used: set[RecordsSpec] = set()

    def keys(self, spec: RecordsSpec, store: Store) -> Records[KeyRecord]:
        """Records of keys."""
        return self._of(spec, store, key_record)

    def tenants(self, spec: RecordsSpec, store: Store) -> Records[TenantRecord]:
        """Records of tenants."""
        return self._of(spec, store, tenant_record)

    def _of(self, spec: RecordsSpec, store: Store, read: Callable[[bytes], Any]) -> Records[Any]:
        self._used.add(spec)
        made = self._made.get(spec)
        if made is None:
            if isinstance(store, RedisStore):
                made = Records(store, store.prefix, spec, read)
            else:
                made = Records(Nowhere(), "", spec, read)
            self._made[spec] = made
        return made

    def forget_used(self) -> None:
        """A binding begins: whatever it doesn't ask for will be let go by `retire_unused`."""
        self._used.clear()

    def retire_unused(self) -> None:
        """Keep nothing of what nobody looks up any more."""
        for spec in [spec for spec in self._made if spec not in self._used]:
            del self._made[spec]
