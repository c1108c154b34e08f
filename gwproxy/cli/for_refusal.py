"""Why a route refuses a request, in the words of the file and of the log, which may know more than the caller."""

from __future__ import annotations

from gwproxy.cli.versions import unknown
from gwproxy.config.either import route_at
from gwproxy.config.loaded import Loaded
from gwproxy.config.routes import Route
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange
from gwproxy.snapshot.types import CompiledRoute


def why_refused(
    loaded: Loaded, exchange: Exchange, route: CompiledRoute, error: GatewayError, wanted: str
) -> str:
    """Why `error` was raised on `route`, which wants `wanted` of its callers; empty where that says it all."""
    match error.code:
        case "maintenance":
            service = loaded.config.services.get(route.service)
            own = service is None or not service.maintenance
            return f"{route.key if own else f'services.{route.service}'}.maintenance = true"
        case "address_denied":
            return "the rules of addresses below do not let this one in"
        case "unsupported_version":
            assert route.version is not None
            return unknown(route.version, exchange)
        case "version_gone":
            return _ended(loaded, route)
        case "unauthenticated":
            return f"wants {wanted}: {error.cause}"
        case "tier_forbidden":
            return f'wants a tier whose access has "{route.access.kind}": the caller has {error.cause}'
        case "forbidden":
            return f"wants {wanted}: the caller {error.cause}"
        case "tenant_inactive":
            return error.cause
        case "tenant_mismatch":
            return f"the caller is {error.cause}"
        case "tenant_missing":
            assert loaded.config.tenancy is not None
            return f"the tenant is {error.cause} (tenancy.from: {', '.join(loaded.config.tenancy.sources)})"
    return ""


def _ended(loaded: Loaded, route: CompiledRoute) -> str:
    one = route_at(loaded.config, route.where)
    assert isinstance(one, Route)
    assert route.version is not None
    name = route.version.name
    return f"{route.key}.versions.{name}.sunset = {one.versions[name].sunset}, and versioning.enforce_sunset = true"
