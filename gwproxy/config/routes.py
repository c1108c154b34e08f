"""What callers see: [[routes]] and [[aggregations]]."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.addresses import Addresses
from gwproxy.config.callers import Limit
from gwproxy.config.cors import Cors
from gwproxy.config.forms import SOME, Choice, HeaderName, HeaderValue, Name, Path, Text, Timeout, Word, says
from gwproxy.config.tenants import Need
from gwproxy.config.units import Duration, Size
from gwproxy.config.versions import Versions


class Respond(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fixed answer, given without a service."""

    status: Annotated[Annotated[int, Meta(ge=200, le=599)], says("Status of the answer.")] = 200
    headers: Annotated[dict[HeaderName, HeaderValue], says("Headers of the answer.")] = {}
    body: Annotated[str, says("Body of the answer, sent as UTF-8.")] = ""


class Redirect(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An answer that names another place."""

    to: Annotated[Text, says("Where to: a path of the same host, or an http(s) address.")]
    status: Annotated[Literal[301, 302, 303, 307, 308], says("Which redirect.")] = 302


class Cache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long an answer is kept and who shares it."""

    ttl: Annotated[Timeout, says("How long an answer is fresh.")]
    stale_while_revalidate: Annotated[
        Duration, says("How long after that it is still given while a new one is fetched.")
    ] = Duration(0)
    tags: Annotated[tuple[Word, ...], says("Names to purge by; :param of the path may stand in them.")] = ()
    share: Annotated[
        Literal["everybody", "principal"] | None,
        says(
            "Who gets the same copy. Left out: principal where the route requires authentication, else everybody."
        ),
    ] = None


class Asked(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For whom a route is, be its answer one service's or several services'."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("host", "hosts")),)

    host: Annotated[Text | None, says('Host asked for, exact or "*.example.com"; any when left out.')] = None
    hosts: Annotated[Annotated[tuple[Text, ...], SOME], says("Several hosts.")] = ()
    requires_auth: Annotated[
        bool | None, says("Whether only known callers may ask. Must be written once there is an [auth.NAME].")
    ] = None
    permissions: Annotated[
        tuple[Text, ...], says("Any one of these is enough; writing them implies requires_auth = true.")
    ] = ()
    permissions_all: Annotated[
        tuple[Text, ...], says("All of these are needed; writing them implies requires_auth = true.")
    ] = ()
    roles: Annotated[
        tuple[Text, ...], says("Any one of these roles is needed; writing them implies requires_auth = true.")
    ] = ()
    auth: Annotated[
        Annotated[tuple[Name, ...], SOME], says("Which [auth.NAME] are taken here; all when left out.")
    ] = ()
    tenant: Annotated[Need | None, says("What is done about tenants here; as [tenancy] need when left out.")] = None
    cors: Annotated[Cors | None, says("In place of the whole [cors]; {} is none.")] = None
    addresses: Annotated[Addresses | None, says("Who is let in here, of those that [addresses] lets in.")] = None
    access_log: Annotated[bool, says("Whether requests have lines in the access log.")] = True


class RouteDefaults(Asked, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys of a route that [defaults.routes] may give to all of them."""

    choices: ClassVar[tuple[Choice, ...]] = (*Asked.choices, Choice(("method", "methods")))

    method: Annotated[Text, says('Method asked for; "*" is any.')] = "*"
    methods: Annotated[Annotated[tuple[Text, ...], SOME], says("Several methods.")] = ()
    headers: Annotated[
        dict[HeaderName, HeaderValue], says("Headers that a request must have, with these values.")
    ] = {}
    strip_prefix: Annotated[
        Path | None, says("What is cut from the path's start before the service gets it, by whole segments.")
    ] = None
    encoded_slashes: Annotated[
        Literal["refuse", "pass"], says("Whether a path with %2F is refused (400), or passed on as it is.")
    ] = "refuse"
    rate_limit: Annotated[Text | None, says("Which of the service's rate_limits each caller has here.")] = (
        None
    )
    limit: Annotated[Limit | None, says("All callers of this route together.")] = None
    timeout: Annotated[Timeout | None, says("As the service's, for this route.")] = None
    idle_timeout: Annotated[Timeout | None, says("As the service's, for this route.")] = None
    total_timeout: Annotated[Timeout | None, says("As the service's, for this route.")] = None
    max_request_body: Annotated[Size | None, says("As the gateway's, for this route.")] = None
    preserve_host: Annotated[bool | None, says("As the service's, for this route.")] = None
    forward_credentials: Annotated[
        bool, says("Whether the service gets the caller's credential, which is otherwise taken out.")
    ] = False
    cache: Annotated[Cache | None, says("Keep answers.")] = None
    maintenance: Annotated[bool, says("Answer 503 to everybody.")] = False


class Route(RouteDefaults, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a caller may ask, and who answers."""

    choices: ClassVar[tuple[Choice, ...]] = (
        *RouteDefaults.choices,
        Choice(("service", "respond", "redirect"), required=True, unless=("versions",)),
        Choice(("respond", "versions")),
        Choice(("redirect", "versions")),
        Choice(("strip_prefix", "service_path")),
    )

    path: Annotated[Path, says('Path asked for; a segment may be ":param", the last one "*".')]
    service: Annotated[Text | None, says("Name of the service that answers.")] = None
    service_path: Annotated[
        Path | None, says("Path that the service gets; the caller's own when left out.")
    ] = None
    respond: Annotated[Respond | None, says("A fixed answer.")] = None
    redirect: Annotated[Redirect | None, says("An answer that names another place.")] = None
    versions: Versions = {}


class Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of the requests that an aggregation is made of."""

    name: Annotated[Name, says("Name of the part in the merged answer.")] = field(name="as")
    service: Annotated[Text, says("Name of the service that is asked.")]
    path: Annotated[
        Path,
        says("Path that is asked for; :param of the aggregation's path and {part.field} may stand in it."),
    ]
    method: Annotated[Text, says("Method that is used.")] = "GET"
    optional: Annotated[bool, says("Whether the answer may be without it.")] = False
    timeout: Annotated[Timeout | None, says("As the service's, for this part.")] = None


_OF_ROUTES_ALONE: Final = frozenset(Route.__struct_fields__) - frozenset(
    (*Asked.__struct_fields__, "path", "method", "methods", "limit", "timeout")
)


class Aggregation(Asked, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A route answered by several services, called together."""

    # What may stand in another table, and is not merely misspelt.
    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(_OF_ROUTES_ALONE, "[[routes]] have it, aggregations do not")

    path: Annotated[Path, says("Path asked for, as a route's.")]
    method: Annotated[Text, says("Method asked for.")] = "GET"
    parts: Annotated[Annotated[tuple[Part, ...], SOME], says("The requests that it is made of.")]
    merge: Annotated[
        Text | None,
        says('How parts become one answer: JMESPath over them, or "python:package.module:function".'),
    ] = None
    limit: Annotated[Limit | None, says("All callers of this aggregation together.")] = None
    timeout: Annotated[Timeout | None, says("The whole answer.")] = None


# Keys that only mean something where a service answers.
FORWARDING_KEYS: Final = frozenset(
    {
        "service_path",
        "strip_prefix",
        "rate_limit",
        "timeout",
        "idle_timeout",
        "total_timeout",
        "preserve_host",
        "forward_credentials",
        "cache",
    }
)
