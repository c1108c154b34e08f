"""Tenants that a store has besides those of the file."""

from __future__ import annotations

import enum
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from gwproxy.auth.records import TenantRecord
from gwproxy.auth.tenant import Tenant
from gwproxy.config.tenants import NAME_FORM
from gwproxy.state.records import Kept, Lookup

log = logging.getLogger("gwproxy")

FORM: Final = re.compile(NAME_FORM.encode())
"""Of a tenant's name: nothing else is ever asked for."""
MOST_TOLD: Final = 1000


class Unasked(enum.Enum):
    """A name of which nothing is known here."""

    UNASKED = enum.auto()


UNASKED: Final = Unasked.UNASKED


class StoredTenants:
    """`tenants` are those of the file, which the store is not asked about; `plans` all that there are, and `default`
    the plan of who has none of them. `reserved` names are nobody's. `clock` is the wall's, in seconds.
    """

    def __init__(
        self, tenants: Mapping[bytes, Tenant], records: Lookup[TenantRecord], plans: Collection[str], default: str,
        reserved: Collection[str] = (), clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._tenants = tenants
        self._records = records
        self._plans = frozenset(plans)
        self._default = default
        self._reserved = frozenset(name.encode() for name in reserved)
        self._clock = clock
        self._told: set[str] = set()

    def find(self, name: bytes) -> Tenant | Unasked | None:
        """The tenant of this name, None where there is none; UNASKED where the store has to be asked."""
        tenant = self._tenants.get(name)
        if tenant is not None:
            return tenant
        if name in self._reserved or FORM.fullmatch(name) is None:
            return None
        text = name.decode()
        kept = self._records.kept(text, self._clock())
        return UNASKED if kept is None else self._tenant(text, kept)

    async def asked(self, name: bytes) -> Tenant | None:
        """The tenant of a name that is UNASKED. Raises StoreFails."""
        text = name.decode()
        return self._tenant(text, await self._records.asked(text))

    def _tenant(self, name: str, kept: Kept[TenantRecord]) -> Tenant | None:
        """It is made once for all its requests; a reload may have changed the plans."""
        if kept.record is None:
            return None
        if kept.by is not self:
            kept.made, kept.by = Tenant(name, self._plan(name, kept.record), active=kept.record.active), self
        tenant: Tenant = kept.made
        return tenant

    def _plan(self, name: str, record: TenantRecord) -> str:
        plan = record.plan
        if plan is None or plan in self._plans:
            return plan or self._default
        if name not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(name)
            log.warning("tenant %s: there is no plan %s; it is served by %s", name, plan, self._default or "none")
        return self._default
