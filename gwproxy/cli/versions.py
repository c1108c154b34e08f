"""The versions of a route in few words: what `routes` and `explain` tell of them."""

from __future__ import annotations

from typing import Any

from gwproxy.config.loaded import Loaded
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.versions import ordered, place_in_path, versioned_path
from gwproxy.exchange import Exchange
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.steps.version import VersionSpec, asked


def listed(route: CompiledRoute) -> bool:
    """Whether a compiled route has a row of its own: each version once, and not what refuses the others."""
    return route.version is None or bool(route.version.name and not route.version.in_path)


def version_fields(loaded: Loaded, route: CompiledRoute, one: Route | Aggregation) -> dict[str, Any] | None:
    """One version, for programs; None where the route has none. `path` is where it can be asked for by path."""
    spec = route.version
    if spec is None or not isinstance(one, Route):
        return None
    version = one.versions[spec.name]
    at = place_in_path(loaded.config.versioning, one.path)
    return {
        "name": spec.name,
        "default": spec.default,
        "path": versioned_path(one.path, at, spec.name) if at >= 0 else None,
        "deprecated": None if version.deprecated is None else str(version.deprecated),
        "sunset": None if version.sunset is None else str(version.sunset),
    }


def names(version: dict[str, Any]) -> str:
    """ "[v2, default, /api/v2/users]"."""
    words = (version["name"], "default" if version["default"] else "", version["path"] or "")
    return f" [{', '.join(word for word in words if word)}]"


def ends(version: dict[str, Any]) -> str:
    """ "(deprecated 2024-01-01, sunset 2024-06-01)"; empty for a version that stays."""
    words = [f"{word} {version[word]}" for word in ("deprecated", "sunset") if version[word]]
    return f" ({', '.join(words)})" if words else ""


def said(route: CompiledRoute, exchange: Exchange) -> str:
    """Which version of which a request gets, and why: "v2 of v1, v2, said by the path"; empty where it gets none."""
    spec = route.version
    if spec is None or not spec.name:
        return ""
    _, where = asked(spec, exchange)
    return f"{spec.name} of {_known(spec)}, {f'said by {where}' if where else 'the default'}"


def unknown(spec: VersionSpec, exchange: Exchange) -> str:
    """Which version a request asks for where that is refused: "v9, said by the path, is none of v1, v2"."""
    version, where = asked(spec, exchange)
    return f"{version.decode('utf-8', 'backslashreplace')}, said by {where}, is none of {_known(spec)}"


def _known(spec: VersionSpec) -> str:
    return ", ".join(ordered(name for name, _ in spec.known))
