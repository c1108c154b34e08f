"""[tenancy], [tenants] and [plans] → who the tenants are, where requests name them, and which targets are theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gwproxy.auth.records import TenantRecord
from gwproxy.auth.stored_tenants import StoredTenants
from gwproxy.auth.tenant import Tenant
from gwproxy.config.either import RouteKey, need_of
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.schema import Config
from gwproxy.config.services import Service
from gwproxy.config.tenants import Tenancy
from gwproxy.snapshot.targets import service_of, target_of
from gwproxy.snapshot.types import ServiceSpec
from gwproxy.state.records import Lookup, RecordsSpec
from gwproxy.steps.tenancy import Header, Param, Source, Subdomain
from gwproxy.wire.fields import KEEP, REQUESTS

CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class TenancySpec:
    """All tenants of the file, by name; `own` are the services that some of them have targets of their own of, by
    service and tenant. `records` are of tenants that the store has.
    """

    tenants: Mapping[bytes, Tenant]
    own: Mapping[str, Mapping[str, ServiceSpec]]
    records: RecordsSpec | None = None
    plans: tuple[str, ...] = ()
    default_plan: str = ""
    reserved: tuple[str, ...] = ()

    def stored(self, lookup: Callable[[RecordsSpec], Lookup[TenantRecord]]) -> StoredTenants | None:
        """Tenants that the store has too; None where it has none."""
        if self.records is None:
            return None
        return StoredTenants(self.tenants, lookup(self.records), self.plans, self.default_plan, self.reserved)


@dataclass(frozen=True, slots=True)
class TenantOfRoute:
    """How a route finds its tenant. `claims`: also by the caller's credential."""

    sources: tuple[Source, ...]
    claims: bool
    required: bool


def tenancy_of(config: Config) -> TenancySpec | None:
    """All tenants; None where there is no [tenancy]."""
    if config.tenancy is None:
        return None
    default = config.tenancy.default_plan or ""
    tenants = {
        name.encode(): Tenant(name, one.plan or default, active=one.active) for name, one in config.tenants.items()
    }
    return TenancySpec(
        tenants, _own(config), tenant_records(config.tenancy), tuple(config.plans), default, config.tenancy.reserved
    )


def tenant_records(tenancy: Tenancy) -> RecordsSpec | None:
    """Where the store has tenants; None where it has none."""
    return RecordsSpec("tenant", float(tenancy.cache)) if tenancy.store else None


def tenant_of_route(
    config: Config, where: RouteKey, one: Route | Aggregation, names: Mapping[str, int]
) -> TenantOfRoute | None:
    """How `one`, whose :params are the segments `names`, finds its tenant; None where it looks for none."""
    need = need_of(config, where, one)
    if config.tenancy is None or need == "ignored":
        return None
    made = (_source(config.tenancy, source, names) for source in config.tenancy.sources)
    sources = tuple(source for source in made if source is not None)
    return TenantOfRoute(sources, CLAIM in config.tenancy.sources, need == "required")


def with_segment(tenant: TenantOfRoute | None, at: int) -> TenantOfRoute | None:
    """The same for a path with one more segment, at `at`."""
    if tenant is None:
        return None
    sources = (source.behind(at) if isinstance(source, Param) else source for source in tenant.sources)
    return replace(tenant, sources=tuple(sources))


def _source(tenancy: Tenancy, source: str, names: Mapping[str, int]) -> Source | None:
    kind, _, what = source.partition(":")
    if kind == "subdomain":
        return Subdomain(tenancy.base_domains, tenancy.reserved)
    if kind == "header":
        sort = REQUESTS.kind(what.lower().encode())
        return Header(what, 0 if sort == KEEP else sort)
    if kind == "path" and (what or "tenant") in names:
        return Param(names[what or "tenant"])
    return None


def _own(config: Config) -> dict[str, dict[str, ServiceSpec]]:
    found: dict[str, dict[str, ServiceSpec]] = {}
    for name, tenant in config.tenants.items():
        for service_name, service in config.services.items():
            url = tenant.targets.get(service_name) or _by_template(service_name, service, name, tenant.dedicated)
            if url:
                spec = replace(service_of(service_name, service), targets=(target_of(url),))
                found.setdefault(service_name, {})[name] = spec
    return found


def _by_template(service_name: str, service: Service, tenant: str, dedicated: bool | tuple[str, ...]) -> str:
    wanted = dedicated if isinstance(dedicated, bool) else service_name in dedicated
    if not wanted or service.tenant_url is None:
        return ""
    return filled(service.tenant_url, service_name, tenant)


def filled(template: str, service: str, tenant: str) -> str:
    """A target's address for one tenant."""
    return template.replace("{service}", service).replace("{tenant}", tenant)
