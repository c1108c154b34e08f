"""Tenants of a product that has several customers: [tenancy], [tenants.NAME] and [plans.NAME]."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.callers import Limit
from gwproxy.config.forms import SOME, Name, Text, Timeout, says
from gwproxy.config.units import Duration

# RFC 1035 section 2.3.1, in lower case: it becomes a label of a host, so it must be one.
NAME_FORM: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NAME_IN_WORDS: Final = '1 to 63 lower-case letters, digits and "-", as in the label of a host'
TenantName = Annotated[str, Meta(pattern=f"^{NAME_FORM}$", title=NAME_IN_WORDS)]
Source = Annotated[
    str,
    Meta(
        pattern=r"^(subdomain|claim|path(:[A-Za-z_][0-9A-Za-z_]*)?|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$",
        title='"subdomain", "header:NAME", "path", "path:PARAM" or "claim"',
    ),
]
Need = Literal["required", "optional", "ignored"]


class Tenancy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a request says which tenant it is for."""

    sources: Annotated[
        Annotated[tuple[Source, ...], SOME],
        says(
            "Where a request says its tenant; the first of these that says one decides. subdomain: the label before "
            "one of base_domains; path: the segment of the route's :tenant, or of another :param; claim: the tenant in "
            "the caller's credential."
        ),
    ] = field(name="from")
    base_domains: Annotated[
        tuple[Text, ...], says("For subdomain: acme.example.com is the tenant acme of example.com.")
    ] = ()
    reserved: Annotated[
        tuple[TenantName, ...], says("Subdomains that are no tenant's; no tenant may have such a name.")
    ] = ("www", "api")
    store: Annotated[
        bool,
        says("Look tenants that the file does not have up in the store of [state], which must outlast the gateway."),
    ] = False
    cache: Annotated[Timeout, says("How long a tenant of the store is believed without asking again.")] = Duration(30)
    default_plan: Annotated[Name | None, says("Plan of a tenant that names none.")] = None
    need: Annotated[
        Need,
        says(
            "What a route does that does not say it itself: required refuses requests without a tenant, optional "
            "serves them too, ignored looks for none."
        ),
    ] = "required"


class Tenant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One customer."""

    plan: Annotated[Name | None, says("Its plan, out of [plans].")] = None
    active: Annotated[bool, says("Whether it is served at all.")] = True
    dedicated: Annotated[
        bool | tuple[Text, ...],
        says("Services that it has targets of its own of, by their tenant_url; true: all that have one."),
    ] = False
    targets: Annotated[dict[Name, Text], says("Address of its own target, by service.")] = {}


class Plan(Limit, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a tenant has bought: the requests of all its callers together."""


def may_be_tenant(name: str) -> bool:
    """Whether there can be a tenant of this name, a reserved one aside."""
    return re.fullmatch(NAME_FORM, name) is not None
