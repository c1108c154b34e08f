"""Who answers a route, and who may ask, in the words of the file: what `routes` and `explain` both tell."""

from __future__ import annotations

from typing import Any

from gwproxy.config.either import requires_auth, route_at
from gwproxy.config.loaded import Loaded
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.versions import as_version, ordered
from gwproxy.snapshot.types import CompiledRoute


def written(loaded: Loaded, route: CompiledRoute) -> Route | Aggregation:
    """The route as the file has it; of one with versions, as it would be written for this one alone."""
    one = route_at(loaded.config, route.where)
    if isinstance(one, Route) and route.version is not None and route.version.name:
        return as_version(one, route.version.name)
    return one


def answerer(route: Route | Aggregation) -> dict[str, Any]:
    """Who answers: `kind` (service, respond, redirect, aggregation), its own fields, and all in few words (`says`)."""
    if isinstance(route, Aggregation):
        parts = [
            {"as": p.name, "service": p.service, "method": p.method, "path": p.path} for p in route.parts
        ]
        return {
            "kind": "aggregation",
            "parts": parts,
            "says": "aggregation of " + ", ".join(p.name for p in route.parts),
        }
    if route.respond is not None:
        return {"kind": "respond", "status": route.respond.status, "says": f"respond {route.respond.status}"}
    if route.redirect is not None:
        to, status = route.redirect.to, route.redirect.status
        return {"kind": "redirect", "status": status, "to": to, "says": f"redirect {status} to {to}"}
    if route.service is None:
        return {"kind": "versions", "says": f"one of {', '.join(ordered(route.versions))}"}
    path = service_path(route)
    return {
        "kind": "service",
        "service": route.service,
        "service_path": path,
        "says": f"{route.service} {path}",
    }


def service_path(route: Route) -> str:
    """The pattern of what the service gets."""
    if route.strip_prefix is not None:
        stripped = route.strip_prefix.rstrip("/").count("/")
        return "/" + "/".join(route.path.split("/")[1:][stripped:])
    return route.service_path or route.path


def auth_of(route: Route | Aggregation) -> str:
    """Who may ask: "open", "identity", or "identity with" what it must have."""
    if not requires_auth(route):
        return "open"
    needs = [
        " or ".join(route.permissions), " and ".join(route.permissions_all),
        f"role {' or '.join(route.roles)}" if route.roles else "",
    ]  # fmt: skip
    wanted = ", ".join(filter(None, needs))
    by = f" by {' or '.join(route.auth)}" if route.auth else ""
    return f"identity{by} with {wanted}" if wanted else f"identity{by}"
