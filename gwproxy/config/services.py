"""What is behind: [services.NAME], its targets, and what guards them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.callers import Limit, RateLimit
from gwproxy.config.credentials import OwnCredentials
from gwproxy.config.forms import SOME, Choice, Count, Name, Path, Text, Timeout, Whole, says
from gwproxy.config.identity import IdentityForm
from gwproxy.config.units import Duration

Balance = Literal["round_robin", "least_outstanding", "power_of_two", "hash"]
Status = Annotated[int, Meta(ge=200, le=599)]


class Target(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One address of a service."""

    url: Annotated[
        Text, says("Address: http, https, or http+unix:///path/to.sock, with an optional base path.")
    ]
    weight: Annotated[Count, says("Share of the requests, beside the other targets' weights.")] = 1


class HealthCheck(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request that the gateway itself sends to each target, to see whether it lives."""

    path: Annotated[Path, says("Path that is asked for.")]
    interval: Annotated[Timeout, says("From one check to the next.")] = Duration(10)
    timeout: Annotated[Timeout, says("How long an answer may take.")] = Duration(5)
    status: Annotated[Status, says("Status of a healthy answer.")] = 200


class CircuitBreaker(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a service is no longer asked, and when it is asked again."""

    failure_threshold: Annotated[
        Count, says("Failures in a row, within the window, that open the circuit.")
    ] = 5
    success_threshold: Annotated[Count, says("Successes in a row that close it again.")] = 2
    timeout: Annotated[Timeout, says("How long it stays open before the service is tried again.")] = Duration(
        30
    )
    window: Annotated[Timeout, says("How far back failures count.")] = Duration(60)
    failure_rate: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None, says("Share of failures in the window that opens it too.")
    ] = None
    minimum_requests: Annotated[
        Count, says("Requests in the window before their share of failures counts.")
    ] = 10


class Pool(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The connections to one target."""

    max_connections: Annotated[Count, says("Connections to one target, per worker.")] = 1024
    idle_timeout: Annotated[Timeout, says("An idle connection is closed after this.")] = Duration(60)
    max_age: Annotated[Timeout, says("A connection is not used again after this.")] = Duration(3600)


class Tls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an https target proves itself, and how the gateway proves itself to it."""

    together: ClassVar[tuple[tuple[str, ...], ...]] = (("cert", "key"),)

    verify: Annotated[
        bool, says("Whether the target's certificate is verified. Turn it off nowhere but at home.")
    ] = True
    ca: Annotated[str, says("File of the authorities that are trusted; empty: the system's.")] = ""
    server_name: Annotated[str, says("Name asked for (SNI) and verified; empty: the target's host.")] = ""
    cert: Annotated[str, says("File of the gateway's own certificate; empty: none.")] = ""
    key: Annotated[str, says("File of that certificate's key.")] = ""


class ServiceDefaults(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys of a service that [defaults.services] may give to all of them."""

    timeout: Annotated[Timeout, says("One attempt, from its start to the answer's head.")] = Duration(5)
    connect_timeout: Annotated[Timeout, says("How long a connection may take to stand, TLS included.")] = (
        Duration(2)
    )
    idle_timeout: Annotated[Timeout, says("Longest time without progress to or from the service.")] = (
        Duration(30)
    )
    total_timeout: Annotated[
        Timeout | None, says("The whole request with all its attempts; none when left out.")
    ] = None
    retries: Annotated[Whole, says("Attempts after the first, where a request may be sent again.")] = 0
    balance: Annotated[Balance, says("How a target is picked.")] = "round_robin"
    preserve_host: Annotated[bool, says("Send the caller's Host, not the target's authority.")] = False
    maintenance: Annotated[bool, says("Answer 503 instead of asking the service.")] = False
    tls: Annotated[Tls, says("How an https target is verified.")] = field(default_factory=Tls)
    pool: Annotated[Pool, says("Bounds of the connections to each target.")] = field(default_factory=Pool)
    health_check: Annotated[HealthCheck | None, says("How the gateway asks whether a target lives.")] = None
    circuit_breaker: Annotated[CircuitBreaker | None, says("When the service is no longer asked.")] = None
    limit: Annotated[Limit | None, says("All callers of this service together.")] = None
    rate_limits: Annotated[
        dict[Name, RateLimit],
        says('Limits of each caller, by name; a route picks one, "default" where it names none.'),
    ] = {}


class Service(ServiceDefaults, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A backend API: where it is, how long it may take, and what guards it."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("url", "targets"), required=True),)

    url: Annotated[
        Text | None,
        says("Its one address: http, https, or http+unix:///path/to.sock, with an optional base path."),
    ] = None
    tenant_url: Annotated[
        Text | None,
        says(
            "Address of the targets that tenants have of their own ([tenants.NAME] dedicated), with {tenant} in it and "
            "perhaps {service}."
        ),
    ] = None
    targets: Annotated[Annotated[tuple[Target, ...], SOME], says("Its addresses, where it has several.")] = ()
    credentials: Annotated[
        OwnCredentials | None, says("What proves to the service that the gateway is asking; nothing when left out.")
    ] = None
    identity: Annotated[
        IdentityForm | None, says("How the service is told who is calling; as [identity] says when left out.")
    ] = None
