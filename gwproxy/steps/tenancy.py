"""Which tenant a request is for: found before anybody proves anything, and held against what is proved.

Invariants: no name that a request brings is used for anything but looking it up among the tenants that are known; a
caller whose credential names a tenant is served as that tenant or not at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Protocol

from gwproxy.auth.tenant import Tenant
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange, Sender
from gwproxy.wire.path import decode

UNKNOWN: Final = "Invalid or inactive tenant"
MISSING: Final = "Tenant not specified"


class Source(Protocol):
    """One place of a request."""

    def __call__(self, exchange: Exchange) -> bytes:
        """The name that it says, empty where it says none."""


class Subdomain:
    """The label before a base domain, unless it is reserved. Other hosts, and deeper ones, say nothing."""

    __slots__ = ("_bases", "_nobodys")

    def __init__(self, bases: Sequence[str], reserved: Sequence[str]) -> None:
        # The longest first: of example.com and eu.example.com, the second is the base of acme.eu.example.com.
        lower = sorted((base.lower() for base in bases), key=len, reverse=True)
        self._bases = tuple(f".{base}".encode() for base in lower)
        whole = (*lower, *(f"{label}.{base}" for base in lower for label in reserved))
        self._nobodys = frozenset(host.encode() for host in whole)

    def __call__(self, exchange: Exchange) -> bytes:
        """As Source's."""
        host = exchange.head.about.host
        if host in self._nobodys:
            return b""
        for base in self._bases:
            if host.endswith(base):
                label = host[: -len(base)]
                return b"" if b"." in label else label
        return b""


class Header:
    """A header. Two of it are no tenant's name, so that they are refused."""

    __slots__ = ("_kind", "_name")

    def __init__(self, name: str, kind: int) -> None:
        self._name = name.lower().encode()
        # Of a field that never crosses as it is (wire/fields.py); 0 of others.
        self._kind = kind

    def __call__(self, exchange: Exchange) -> bytes:
        """As Source's."""
        fields = exchange.head.about.fields
        if self._kind:
            values = [value for kind, value in fields.special if kind == self._kind]
        else:
            values = fields.get_all(self._name)
        return b",".join(values)


class Param:
    """A segment of the path."""

    __slots__ = ("_at",)

    def __init__(self, at: int) -> None:
        self._at = at

    def __call__(self, exchange: Exchange) -> bytes:
        """As Source's."""
        return decode(exchange.raw[self._at])

    def behind(self, at: int) -> Param:
        """The same in a path that has one more segment, at `at`."""
        return Param(self._at + (self._at >= at))


class FindTenant:
    """Finds the tenant that a request names; `tenants` are all that are known."""

    __slots__ = ("_sources", "_tenants")

    def __init__(self, sources: Sequence[Source], tenants: Mapping[bytes, Tenant]) -> None:
        self._sources = tuple(sources)
        self._tenants = tenants

    def __call__(self, exchange: Exchange) -> None:
        """Raises GatewayError (`tenant_inactive`)."""
        for source in self._sources:
            name = source(exchange)
            if name:
                exchange.tenant = admitted(self._tenants.get(name))
                return
        exchange.tenant = None


class EnterTenant:
    """Goes on for one tenant. `claims`: a credential may be what names it, and then must; `required`: there is one.

    A credential's tenant is never passed by: where the request need not name any, and names none, it is served as
    that tenant, which so must be one that is active.
    """

    __slots__ = ("_claims", "_required", "_tenants")

    def __init__(self, tenants: Mapping[bytes, Tenant], *, claims: bool, required: bool) -> None:
        self._tenants = tenants
        self._claims = claims
        self._required = required

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises GatewayError: `tenant_mismatch`, `tenant_inactive`, `tenant_missing`."""
        sender = exchange.sender
        tenant: Tenant | None = exchange.tenant
        principal = sender.principal
        if principal is not None:
            claimed = principal.tenant
            if tenant is not None and claimed != tenant.name and (claimed or self._claims):
                raise GatewayError(
                    "tenant_mismatch", "Not a member of this tenant", phase=Phase.POLICY,
                    cause=f"of {claimed or 'no tenant'}, asks for {tenant.name}",
                )  # fmt: skip
            if tenant is None and claimed and (self._claims or not self._required):
                tenant = admitted(self._tenants.get(claimed.encode()))
        if tenant is not None:
            exchange.sender = _member(sender, tenant)
        elif self._required:
            # The credential's tenant stands for nothing where "claim" is no source: the request must name it.
            said = f"by the credential alone: {principal.tenant}" if principal and principal.tenant else "nowhere"
            raise GatewayError("tenant_missing", MISSING, phase=Phase.POLICY, cause=f"named {said}")
        return None


def admitted(tenant: Tenant | None) -> Tenant:
    """One that is served. Raises GatewayError (`tenant_inactive`) for others, and for None: there is none."""
    if tenant is None or not tenant.active:
        cause = "unknown tenant" if tenant is None else f"inactive tenant {tenant.name}"
        raise GatewayError("tenant_inactive", UNKNOWN, phase=Phase.POLICY, cause=cause)
    return tenant


def _member(sender: Sender, tenant: Tenant) -> Sender:
    """The sender as one of this tenant's; made once for all requests whose fields are alike."""
    member = sender.member
    if member is None or member.tenant is not tenant:
        principal = sender.principal
        told = principal is not None and bool(principal.tenant)
        member = sender.member = sender.copy(sender.lines + (tenant.plan_line if told else tenant.lines))
        member.principal = principal
        member.tenant = tenant
    return member
