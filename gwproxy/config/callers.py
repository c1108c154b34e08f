"""How much one may use: [tiers] and every limit. Who calls is in auth.py."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.forms import Count, Name, Requests, Timeout, says

# RFC 9110 section 5.6.2 for the header's name.
By = Annotated[
    str,
    Meta(
        pattern=r"^(principal|address|tenant|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$",
        title='"principal", "address", "tenant" or "header:NAME"',
    ),
]
LEASE_SHARE: Final = 10
"""A lease never takes more than one part in so many of what is left: near the limit permits go out one by one."""

Access = Literal["public", "authenticated", "aggregations"]


class Quota(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So many requests in a day or a month of the calendar, in UTC."""

    requests: Annotated[Requests, says("Requests allowed in one period.")]
    period: Annotated[
        Literal["day", "month"], says("From midnight to midnight, or from the first to the first of a month.")
    ]


class Limit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So many requests in a window, and a burst on top."""

    requests: Annotated[Requests, says("Requests allowed in one window.")]
    window: Annotated[Timeout, says("Length of the window.")]
    burst: Annotated[
        Requests | None,
        says("Capacity of a token bucket that refills at requests / window; none when left out."),
    ] = None
    precision: Annotated[
        Literal["exact", "hard"] | None,
        says(
            "exact refuses nobody too early, at 8 bytes a request; hard keeps 61 counters. Neither lets more through. "
            "Left out: exact up to 4096 requests."
        ),
    ] = None
    quota: Annotated[Quota | None, says("A second bound, by day or month.")] = None
    on_failure: Annotated[
        Literal["local", "allow", "deny"] | None,
        says("What holds while the store fails, instead of what [state] says."),
    ] = None
    lease: Annotated[
        Annotated[int, Meta(ge=2)] | None,
        says(
            "Permits that a process takes from a shared store at once, to spend them within a twentieth of the window "
            "(a second at the most) without asking it. Left out: one by one."
        ),
    ] = None
    by: Annotated[
        By | None,
        says(
            "Who is counted by itself. Left out: everybody together for global, a service and a route, else the "
            "principal, who is known by address while anonymous; so is a tenant where there is none."
        ),
    ] = None


class RateLimit(Limit, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A limit that each caller has by itself, with other values for some tiers."""

    tiers: Annotated[dict[Name, Requests], says("Requests in one window for callers of these tiers.")] = {}


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits that stand on no service and no route."""

    everybody: Annotated[Limit | None, says("All callers of all routes together.")] = field(
        default=None, name="global"
    )
    auth_failures: Annotated[
        Limit | None,
        says("Failed authentications of one address; who has had them all is refused before anything is verified."),
    ] = None
    ipv6_prefix: Annotated[
        Annotated[int, Meta(ge=16, le=128)],
        says("How many bits of an IPv6 address tell callers apart: a customer has at least a /64."),
    ] = 64
    max_callers: Annotated[
        Count,
        says(
            "Callers that each limit remembers in this process. Beyond it the oldest that are not being refused are "
            "forgotten; where all are, others share one counter."
        ),
    ] = 1_000_000


class Tier(Limit, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one caller of a class of use may have in all, over every route."""

    access: Annotated[tuple[Access, ...], says("Which kinds of route callers of this tier may ask.")] = (
        "public",
        "authenticated",
    )
    priority: Annotated[
        int, says("Who is served first when the gateway or a service is saturated: the higher number.")
    ] = 0
