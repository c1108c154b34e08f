"""Tenants: that they can be named, that what they name exists, and that their addresses are some."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.auth import known_callers
from gwproxy.config.either import all_routes, need_of, path_key
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean, show
from gwproxy.config.rules.addresses import is_host
from gwproxy.config.rules.paths import params_of
from gwproxy.config.rules.routes import no_condition
from gwproxy.config.rules.urls import SERVICE, url_fault
from gwproxy.config.tenants import NAME_IN_WORDS, may_be_tenant
from gwproxy.wire.fields import REQUESTS, TENANT


def sources(loaded: Loaded) -> Iterator[Problem]:
    """Where tenants are named: what each place needs is written."""
    tenancy = loaded.config.tenancy
    if tenancy is None or loaded.unsound.touches(("tenancy", "from")):
        return
    for index, source in enumerate(tenancy.sources):
        key: Key = ("tenancy", "from", index)
        kind, _, name = source.partition(":")
        if source in tenancy.sources[:index]:
            yield loaded.problem("no_effect", key, found=loaded.shown(key, source), hint="named already")
        elif kind == "subdomain" and not tenancy.base_domains:
            hint = "name the domains before which it stands: base_domains"
            yield loaded.problem("tenancy_incomplete", key, hint=hint)
        elif kind == "claim" and not loaded.config.auth.methods:
            yield loaded.problem("tenancy_incomplete", key, hint="write an [auth.NAME] that reads credentials")
        elif kind == "header" and (hint := _no_source(name)):
            yield loaded.problem("bad_header", key, found=loaded.shown(key, source), hint=hint)
        elif kind == "path" and not _has_param(loaded, name or "tenant"):
            yield loaded.problem("no_effect", key, hint=f"no route has a :{name or 'tenant'} in its path")
    if tenancy.base_domains and "subdomain" not in tenancy.sources:
        yield loaded.problem("no_effect", ("tenancy", "base_domains"), hint='from has no "subdomain"')


def _no_source(name: str) -> str:
    """X-Tenant-Id is the gateway's towards services, and may name a tenant all the same."""
    kind = REQUESTS.kind(name.lower().encode())
    return "" if kind == TENANT else no_condition(name)


def _has_param(loaded: Loaded, name: str) -> bool:
    return any(name in params_of(route.path) for _, route in all_routes(loaded.config))


def domains(loaded: Loaded) -> Iterator[Problem]:
    """Base domains are hosts."""
    for index, domain in enumerate(loaded.config.tenancy.base_domains if loaded.config.tenancy else ()):
        if not is_host(domain) or "*" in domain or ":" in domain:
            key: Key = ("tenancy", "base_domains", index)
            hint = "write a host without a port, such as example.com"
            yield loaded.problem("bad_host", key, found=loaded.shown(key, domain), hint=hint)


def plans(loaded: Loaded) -> Iterator[Problem]:
    """The plans that are named exist."""
    known = loaded.config.plans
    named: list[tuple[Key, str | None]] = []
    if loaded.config.tenancy is not None:
        named.append((("tenancy", "default_plan"), loaded.config.tenancy.default_plan))
    named += [(("tenants", name, "plan"), tenant.plan) for name, tenant in loaded.config.tenants.items()]
    for key, plan in named:
        if plan is not None and plan not in known:
            yield loaded.problem("unknown_plan", key, found=loaded.shown(key, plan), hint=did_you_mean(plan, known))


def names(loaded: Loaded) -> Iterator[Problem]:
    """A tenant can be asked for, and somebody asks for tenants."""
    tenancy = loaded.config.tenancy
    for name in loaded.config.tenants:
        if tenancy is None:
            hint = "write [tenancy], which says how requests name it"
            yield loaded.problem("tenancy_incomplete", ("tenants", name), hint=hint)
        elif name in tenancy.reserved:
            yield loaded.problem("tenant_reserved", ("tenants", name), found=show(name))
    if tenancy is None:
        for key, route in all_routes(loaded.config):
            if route.tenant in ("required", "optional"):
                hint = "write [tenancy], which says how requests name a tenant"
                yield loaded.problem("tenancy_incomplete", (*key, "tenant"), hint=hint)


def required(loaded: Loaded) -> Iterator[Problem]:
    """Where a tenant is required there can be one, and a request can say which."""
    config, tenancy = loaded.config, loaded.config.tenancy
    if tenancy is None or loaded.unsound.touches(("tenancy",)):
        return
    must = [(key, route) for key, route in all_routes(config) if need_of(config, key, route) == "required"]
    if must and not config.tenants and not tenancy.store:
        hint = "write a [tenants.NAME]: there is none, and every request that must be for one is refused"
        yield loaded.problem("nobody_can_enter", ("tenancy",), hint=hint)
    parts = [source.partition(":") for source in tenancy.sources]
    named = [name or "tenant" for kind, _, name in parts if kind == "path"]
    if len(named) < len(parts) or not any(_has_param(loaded, name) for name in named):
        # Another place says it, or no route is meant for this one, which is told as that.
        return
    for key, route in must:
        if not set(named).intersection(params_of(route.path)):
            found = loaded.shown(path_key(key), route.path)
            hint = f'it has no :{named[0]}, where alone requests name a tenant: add it, or write tenant = "ignored"'
            yield loaded.problem("nobody_can_enter", path_key(key), found=found, hint=hint)


def of_callers(loaded: Loaded) -> Iterator[Problem]:
    """The tenants of known callers are some, where tenants are a question: else they are only told to services."""
    tenancy, known = loaded.config.tenancy, loaded.config.tenants
    if tenancy is None:
        return
    for where, entry in known_callers(loaded.config.auth):
        name, key = entry.tenant, (*where, "tenant")
        if name is None or name in known:
            continue
        found = loaded.shown(key, name)
        if not may_be_tenant(name):
            near = did_you_mean(name.lower(), known) if known else ""
            yield loaded.problem("bad_tenant", key, found=found, expected=NAME_IN_WORDS, hint=near)
        elif name in tenancy.reserved:
            yield loaded.problem("tenant_reserved", key, found=found, hint="[tenancy] reserved has it")
        elif not tenancy.store and not loaded.unsound.touches(("tenancy", "store")):
            yield loaded.problem("unknown_tenant", key, found=found, hint=did_you_mean(name, known))


def targets(loaded: Loaded) -> Iterator[Problem]:
    """Tenants' own targets are of services there are, and have addresses."""
    services = loaded.config.services
    for name, tenant in loaded.config.tenants.items():
        for service, url in tenant.targets.items():
            key: Key = ("tenants", name, "targets", service)
            if service not in services:
                hint = did_you_mean(service, services)
                yield loaded.problem("unknown_service", key, found=show(service), hint=hint)
            elif fault := url_fault(url, SERVICE):
                yield loaded.problem("bad_url", key, found=loaded.shown_url(key, url), hint=fault)
        for index, service in enumerate(() if isinstance(tenant.dedicated, bool) else tenant.dedicated):
            key = ("tenants", name, "dedicated", index)
            if service not in services:
                hint = did_you_mean(service, services)
                yield loaded.problem("unknown_service", key, found=loaded.shown(key, service), hint=hint)
            elif services[service].tenant_url is None:
                hint = f"services.{service} has no tenant_url"
                yield loaded.problem("tenancy_incomplete", key, found=loaded.shown(key, service), hint=hint)
        if tenant.dedicated is True and all(service.tenant_url is None for service in services.values()):
            hint = "no service has a tenant_url: its requests would go where everybody's go"
            yield loaded.problem("tenancy_incomplete", ("tenants", name, "dedicated"), hint=hint)


def filled(loaded: Loaded) -> Iterator[Problem]:
    """A template that is one is an address for each tenant too that has it: of 63 letters at the most, for one."""
    templates = {
        name: service.tenant_url.replace("{service}", name)
        for name, service in loaded.config.services.items()
        if service.tenant_url is not None and not _template_fault(name, service.tenant_url)
    }
    for name, tenant in loaded.config.tenants.items():
        own = tenant.dedicated
        wanted = (templates if own else ()) if isinstance(own, bool) else templates.keys() & set(own)
        for service in sorted(set(wanted) - tenant.targets.keys()):
            url = templates[service].replace("{tenant}", name)
            fault = url_fault(url, SERVICE)
            if fault:
                key: Key = ("tenants", name, "dedicated")
                hint = f"{fault}; give the tenant a targets.{service} of its own"
                yield loaded.problem("bad_url", key, found=loaded.shown_url(key, url), hint=hint)


def templates(loaded: Loaded) -> Iterator[Problem]:
    """A template has a place for the tenant, and is an address when it is filled."""
    for name, service in loaded.config.services.items():
        if service.tenant_url is not None:
            key: Key = ("services", name, "tenant_url")
            fault = _template_fault(name, service.tenant_url)
            if fault:
                yield loaded.problem("bad_url", key, found=loaded.shown_url(key, service.tenant_url), hint=fault)


def _template_fault(service: str, template: str) -> str:
    if "{tenant}" not in template:
        return "it has no {tenant}: every tenant would have the same target"
    return url_fault(template.replace("{service}", service).replace("{tenant}", "tenant"), SERVICE)
