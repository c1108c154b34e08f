"""Which tenant a request is for, where a store has tenants too: as in tenancy.py, but somebody may have to be asked.

A tenant that cannot be looked up now is not served: 503, never as if it were unknown, or known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from gwproxy.auth.stored_tenants import UNASKED, StoredTenants
from gwproxy.auth.tenant import Tenant
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.state.records import StoreFails
from gwproxy.steps.tenancy import EnterTenant, Source, admitted


class FindStoredTenant:
    """As FindTenant."""

    __slots__ = ("_sources", "_tenants")

    def __init__(self, sources: Sequence[Source], tenants: StoredTenants) -> None:
        self._sources = tuple(sources)
        self._tenants = tenants

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises GatewayError (`tenant_inactive`, `state_unavailable`)."""
        exchange.tenant = None
        for source in self._sources:
            name = source(exchange)
            if name:
                found = self._tenants.find(name)
                if found is UNASKED:
                    return self._later(exchange, name)
                exchange.tenant = admitted(found)
                return None
        return None

    async def _later(self, exchange: Exchange, name: bytes) -> None:
        exchange.tenant = await _asked(self._tenants, name)


class EnterStoredTenant(EnterTenant):
    """As EnterTenant, of `stored` ones."""

    __slots__ = ("_stored",)

    def __init__(
        self, tenants: Mapping[bytes, Tenant], stored: StoredTenants, *, claims: bool, required: bool
    ) -> None:
        super().__init__(tenants, claims=claims, required=required)
        self._stored = stored

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises GatewayError as EnterTenant, and `state_unavailable`."""
        principal = exchange.sender.principal
        asked = self._claims or not self._required
        if asked and exchange.tenant is None and principal is not None and principal.tenant:
            name = principal.tenant.encode()
            found = self._stored.find(name)
            if found is UNASKED:
                return self._later(exchange, name)
            exchange.tenant = admitted(found)
        return super().__call__(exchange)

    async def _later(self, exchange: Exchange, name: bytes) -> None:
        exchange.tenant = await _asked(self._stored, name)
        super().__call__(exchange)


async def _asked(tenants: StoredTenants, name: bytes) -> Tenant:
    try:
        return admitted(await tenants.asked(name))
    except StoreFails as error:
        raise GatewayError(
            "state_unavailable", "Whose request this is cannot be verified now", blame=Blame.GATEWAY,
            phase=Phase.POLICY, cause=f"the store of tenants fails: {error}", retry_after_s=1,
        ) from None  # fmt: skip
