"""What runs, once decided: immutable, and made of data alone. `bind` connects it to what lives on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gwproxy.snapshot.template import PathMaker, unchanged
from gwproxy.wire.pattern import Pattern, rank

LimitsOfCallers = tuple[tuple[str, str, "tuple[LimitSpec, ...]"], ...]
"""By a caller's tier and its tenant's plan, the limits that it meets."""

if TYPE_CHECKING:
    from gwproxy.auth.places import Forged
    from gwproxy.config.addresses import Addresses
    from gwproxy.config.cors import Cors
    from gwproxy.config.schema import Gateway
    from gwproxy.egress.request import Times
    from gwproxy.limits.spec import LimitSpec
    from gwproxy.snapshot.credentials import AuthSpec
    from gwproxy.snapshot.router import Router
    from gwproxy.snapshot.tenants import TenancySpec, TenantOfRoute
    from gwproxy.snapshot.versions import Versions
    from gwproxy.steps.forward_with import OwnHeader
    from gwproxy.steps.version import VersionSpec


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One address of a service. A target is the same over a reload when this is equal."""

    name: str
    tls: bool
    host: str
    port: int
    unix: str
    prefix: bytes
    authority: bytes
    weight: int = 1


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """How targets prove who they are, and how we do."""

    verify: bool = True
    ca: str = ""
    server_name: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """Bounds of the connections to each target of a service."""

    max_connections: int
    idle_timeout_s: float
    max_age_s: float


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service: where it is and how it is connected to. `own` proves to it that the gateway is asking."""

    name: str
    targets: tuple[TargetSpec, ...]
    tls: TlsSpec
    pool: PoolSpec
    maintenance: bool
    own: OwnHeader | None = None


@dataclass(frozen=True, slots=True)
class FixedReply:
    """An answer that needs no service. `location` is set for a redirect."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Access:
    """What a route wants of a caller who is known. `tiers`: whose callers may ask, None where that is no question."""

    kind: str = "public"
    tiers: frozenset[str] | None = None
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tells: bool = False


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """One route, decided. `where` is its place in the configuration, `template` its path as written.

    `ready_only`: not while the gateway ends. `logged` is whether requests have lines in the access log, `secrets` the
    segments of their paths that no line shows. `cors` is the one that is in force here, `addresses` are rules that all
    must let a caller in.

    Exactly one of `service`, `fixed` and `aggregation` says who answers. `closed`: only known callers may ask; `auth`
    are the authenticators that are taken, and `access` what it wants of who is known. `limits` are those of anonymous
    callers without a tenant, `caller_limits` of all that can be told apart. `tenant`: how it finds whom it is for.
    Where `version` is set, this is one of several that stand for one route as written.
    """

    index: int
    where: tuple[str, int | str]
    template: str
    hosts: tuple[str, ...]
    methods: tuple[str, ...]
    conditions: tuple[tuple[bytes, bytes], ...]
    pattern: Pattern
    names: dict[str, int]
    service: str = ""
    fixed: FixedReply | None = None
    aggregation: bool = False
    closed: bool = False
    auth: tuple[str, ...] = ()
    forward_credentials: bool = False
    access: Access = Access()
    maintenance: bool = False
    ready_only: bool = False
    logged: bool = True
    secrets: tuple[int, ...] = ()
    make_path: PathMaker = unchanged
    pass_slashes: bool = False
    preserve_host: bool = False
    max_body: int = 0
    times: Times | None = None
    limits: tuple[LimitSpec, ...] = ()
    caller_limits: LimitsOfCallers = ()
    tenant: TenantOfRoute | None = None
    cors: Cors | None = None
    addresses: tuple[Addresses, ...] = ()
    version: VersionSpec | None = None

    @property
    def key(self) -> str:
        """Its place as people write it: `routes[3]`, `gateway.healthz`."""
        room, place = self.where
        return f"{room}[{place}]" if isinstance(place, int) else f"{room}.{place}"


class Leaf:
    """All routes of one pattern, those with more header conditions first."""

    __slots__ = ("candidates", "pattern", "rank")

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.rank = rank(pattern)
        self.candidates: list[Candidate] = []

    def add(self, candidate: Candidate) -> None:
        """Put a route where it is tried: more conditions first; then named methods; then HEAD by name before by GET."""
        if candidate.methods is not None and b"GET" in candidate.methods:
            # RFC 9110 section 9.3.2: HEAD is answered by GET, unless a route of its own answers it.
            candidate.methods |= {b"HEAD"}
        self.candidates.append(candidate)
        self.candidates.sort(key=_order)


def _order(candidate: Candidate) -> tuple[int, bool, bool]:
    return -len(candidate.conditions), candidate.methods is None, "HEAD" not in candidate.route.methods


class Candidate:
    """One route of a leaf, as far as matching needs it. `methods` is None where any will do."""

    __slots__ = ("conditions", "methods", "pass_slashes", "route")

    def __init__(self, route: CompiledRoute, methods: frozenset[bytes] | None) -> None:
        self.route = route
        self.methods = methods
        self.conditions = route.conditions
        self.pass_slashes = route.pass_slashes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The compiled form of one configuration. `nowhere` is for requests that no route takes, where a file has something
    to say about these too; its place is behind all routes. `forged` is what callers may not say of themselves, in a
    header that the file names.
    """

    gateway: Gateway
    services: dict[str, ServiceSpec]
    routes: tuple[CompiledRoute, ...]
    router: Router
    versions: Versions
    ipv6_prefix: int = 64
    auth: AuthSpec | None = None
    tenancy: TenancySpec | None = None
    failures: tuple[LimitSpec, ...] = ()
    nowhere: CompiledRoute | None = None
    forged: Forged | None = None

    def all_services(self) -> Iterator[ServiceSpec]:
        """Every service, and every one that a tenant has of its own."""
        yield from self.services.values()
        for specs in self.tenancy.own.values() if self.tenancy is not None else ():
            yield from specs.values()
