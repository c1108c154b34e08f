"""URLs of services, as targets that can be connected to."""

from __future__ import annotations

from urllib.parse import urlsplit

from gwproxy.config import schema
from gwproxy.snapshot.types import PoolSpec, ServiceSpec, TargetSpec, TlsSpec
from gwproxy.steps.forward_with import OwnHeader


def target_of(url: str, weight: int = 1) -> TargetSpec:
    """The target that a checked URL names (http, https, http+unix)."""
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        return TargetSpec(f"unix:{parts.path}", False, "", 0, parts.path, b"", b"localhost", weight)
    tls = parts.scheme == "https"
    default = 443 if tls else 80
    port = parts.port or default
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == default else f"{shown}:{port}"
    prefix = parts.path.rstrip("/").encode()
    return TargetSpec(f"{shown}:{port}", tls, host, port, "", prefix, authority.encode(), weight)


def service_of(name: str, service: schema.Service, own: OwnHeader | None = None) -> ServiceSpec:
    """A service's part of the snapshot. `own` is what its credentials became."""
    if service.url is not None:
        targets: tuple[TargetSpec, ...] = (target_of(service.url),)
    else:
        targets = tuple(target_of(target.url, target.weight) for target in service.targets)
    tls, pool = service.tls, service.pool
    return ServiceSpec(
        name=name,
        targets=targets,
        tls=TlsSpec(tls.verify, tls.ca, tls.server_name, tls.cert, tls.key),
        pool=PoolSpec(pool.max_connections, float(pool.idle_timeout), float(pool.max_age)),
        maintenance=service.maintenance,
        own=own,
    )
