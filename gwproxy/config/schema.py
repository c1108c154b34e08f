"""The file as a whole: what a user writes, as frozen structs with nothing computed.

Every type of the file can be had from here; auth.py, callers.py, services.py and routes.py hold the larger tables.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.addresses import Addresses
from gwproxy.config.auth import ApiKey, ApiKeyEntry, Auth, Claims, Jwt
from gwproxy.config.callers import Limit, Limits, RateLimit, Tier
from gwproxy.config.cors import Cors
from gwproxy.config.forms import (
    SOME,
    Bound,
    Choice,
    Count,
    Name,
    Path,
    Processes,
    Secret,
    Text,
    Timeout,
    Word,
    says,
)
from gwproxy.config.identity import Identity
from gwproxy.config.routes import Aggregation, Cache, Part, Redirect, Respond, Route, RouteDefaults
from gwproxy.config.services import CircuitBreaker, HealthCheck, Pool, Service, ServiceDefaults, Target, Tls
from gwproxy.config.tenants import Plan, Tenancy, Tenant, TenantName
from gwproxy.config.units import Duration, Size
from gwproxy.config.versions import Version, Versioning

__all__ = [
    "Addresses",
    "Admin",
    "Aggregation",
    "ApiKey",
    "ApiKeyEntry",
    "Auth",
    "Cache",
    "Choice",
    "CircuitBreaker",
    "Claims",
    "Config",
    "Cors",
    "Defaults",
    "Duration",
    "Gateway",
    "HealthCheck",
    "Identity",
    "Jwt",
    "Limit",
    "Limits",
    "Log",
    "Part",
    "Pool",
    "RateLimit",
    "Redirect",
    "Respond",
    "Route",
    "RouteDefaults",
    "Service",
    "ServiceDefaults",
    "Size",
    "State",
    "Target",
    "Tier",
    "Tls",
    "Version",
    "Versioning",
]


class Gateway(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The public side: where it listens, and what it bears from callers."""

    listen: Annotated[
        Annotated[tuple[Text, ...], SOME],
        says('Addresses: "host:port", "[::1]:8080", "unix:/path/to.sock", or "fd:NAME" (socket activation).'),
    ] = ("127.0.0.1:8080",)
    workers: Annotated[
        Processes | Literal["auto"], says('Processes sharing the listeners; "auto" is one per core.')
    ] = 1
    trusted_proxies: Annotated[
        tuple[Text, ...], says("Networks whose forwarded headers are believed; nobody's when empty.")
    ] = ()
    client_address: Annotated[
        Literal["x-forwarded-for", "forwarded", "x-real-ip"],
        says("Which of their headers tells the caller's address."),
    ] = "x-forwarded-for"
    max_request_head: Annotated[Bound, says("Longest request head: request line and headers together.")] = (
        Size(32768)
    )
    max_request_body: Annotated[Size, says("Longest request body; a route may raise or lower it.")] = Size(
        10485760
    )
    max_connections: Annotated[Count, says("Callers' connections, per worker.")] = 10000
    header_timeout: Annotated[Timeout, says("The whole request head, counted from its first byte.")] = (
        Duration(10)
    )
    body_timeout: Annotated[Timeout, says("Longest silence inside a request body.")] = Duration(30)
    keepalive_timeout: Annotated[Timeout, says("A connection without a request is closed after this.")] = (
        Duration(75)
    )
    drain_timeout: Annotated[Timeout, says("How long requests under way may take at the end.")] = Duration(30)
    trailing_slash: Annotated[
        Literal["significant", "ignore"], says("Whether /x/ is another path than /x when routes are matched.")
    ] = "significant"
    half_close: Annotated[
        bool, says("Answer callers that have closed their side, instead of leaving them.")
    ] = False
    instance: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]*$", title='letters, digits, ".", "_" and "-"')],
        says("Name of this gateway in Via, by which it knows a loop; one is made when empty."),
    ] = ""
    healthz: Annotated[
        Path | None, says("A path, on every host, that answers 200 while the process lives; never logged.")
    ] = None
    readyz: Annotated[
        Path | None, says("The same, but 503 from the moment that the gateway ends: for load balancers.")
    ] = None
    expose_service: Annotated[
        bool, says("Tell callers which service answered (X-Service and Server-Timing).")
    ] = True


class Admin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The operators' listener, never the public one; there is none without this table."""

    listen: Annotated[Text, says("Its address, as one of gateway.listen.")] = "127.0.0.1:8081"
    token: Annotated[
        Secret, says("Bearer token of operators; must be set where the address is not loopback.")
    ] = ""


class State(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where limits and breakers are counted."""

    url: Annotated[
        str,
        says(
            "memory://, embedded://, redis:// or rediss://[user:password@]host[:port][/database], unix:///path[?db=N], "
            "redis+cluster://host:port,… or redis+sentinel://host:port,…/primary[/database]. "
            "Empty: memory:// with one worker, embedded:// with several."
        ),
    ] = ""
    prefix: Annotated[Word, says("What every key in the store begins with.")] = "gw"
    timeout: Annotated[Timeout, says("How long one call to the store may take.")] = Duration(0.05)
    on_failure: Annotated[
        Literal["local", "allow", "deny"],
        says("What holds while the store fails: this process's share of the limit, no limit, or a refusal."),
    ] = "local"


class Log(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the gateway writes about itself."""

    format: Annotated[Literal["json", "text"], says("How a line is written.")] = "json"
    access: Annotated[bool, says("Write one line per request.")] = True
    file: Annotated[
        str, says("Where those lines go; stdout when empty. SIGUSR1 opens it anew after it was moved away.")
    ] = ""
    sample: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        says("Share of the requests that have a line; answers of 500 and above always do."),
    ] = 1.0
    redact: Annotated[
        tuple[Text, ...],
        says("Names of query keys and of :params whose values no line shows, besides token, key, password …."),
    ] = ()


class Defaults(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Values for keys that a service or a route does not write itself."""

    services: Annotated[ServiceDefaults, says("For every service.")] = field(default_factory=ServiceDefaults)
    routes: Annotated[RouteDefaults, says("For every route, though not for aggregations.")] = field(
        default_factory=RouteDefaults
    )


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One configuration, whole: every file that belongs to it, defaults applied."""

    include: Annotated[
        tuple[Text, ...],
        says("Further files, as patterns relative to the file that says it; read in sorted order."),
    ] = ()
    defaults: Annotated[Defaults, says("What services and routes share.")] = field(default_factory=Defaults)
    gateway: Annotated[Gateway, says("The public side.")] = field(default_factory=Gateway)
    admin: Annotated[Admin | None, says("The operators' listener.")] = None
    state: Annotated[State, says("Where limits and breakers are counted.")] = field(default_factory=State)
    log: Annotated[Log, says("What the gateway writes about itself.")] = field(default_factory=Log)
    cors: Annotated[Cors | None, says("Which other origins' pages may ask.")] = None
    addresses: Annotated[Addresses | None, says("Whose requests are let in at all.")] = None
    auth: Annotated[Auth, says("How callers prove who they are.")] = field(default_factory=Auth)
    identity: Annotated[Identity, says("How services are told who is calling.")] = field(default_factory=Identity)
    roles: Annotated[
        dict[Name, tuple[Text, ...]],
        says('Permissions of each role, added to those in the credential; "*" ends a prefix.'),
    ] = {}
    tiers: Annotated[dict[Name, Tier], says("What one caller of each tier may use in all.")] = {}
    limits: Annotated[Limits, says("Limits that stand on no service and no route.")] = field(
        default_factory=Limits
    )
    versioning: Annotated[Versioning, says("How callers say which version of an API they want.")] = field(
        default_factory=Versioning
    )
    tenancy: Annotated[Tenancy | None, says("How a request says which tenant it is for.")] = None
    tenants: Annotated[dict[TenantName, Tenant], says("Customers of a product that has several.")] = {}
    plans: Annotated[dict[Name, Plan], says("What tenants may use, all callers of one together.")] = {}
    services: Annotated[dict[Name, Service], says("What is behind.")] = {}
    routes: Annotated[tuple[Route, ...], says("What callers may ask.")] = ()
    aggregations: Annotated[
        tuple[Aggregation, ...], says("Routes that several services answer together.")
    ] = ()
