"""Who calls, and how much one may use: [auth], [roles], [tiers] and every limit."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.forms import (
    SOME,
    Choice,
    Count,
    Credential,
    Name,
    Requests,
    Secret,
    Text,
    Timeout,
    Word,
    says,
)
from gwproxy.config.units import Duration

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
# No "none", and no way to write it: RFC 8725 section 3.1.
Algorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]


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


class Claims(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which claims of a token say who the caller is."""

    id: Annotated[Text, says("Claim with the caller's id.")] = "sub"
    role: Annotated[Text, says("Claim with the role.")] = "role"
    permissions: Annotated[Text, says("Claim with the permissions.")] = "permissions"
    tier: Annotated[Text, says("Claim with the tier.")] = "tier"
    tenant: Annotated[Text, says("Claim with the tenant.")] = "tenant"


class Jwt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="jwt"):
    """Callers prove who they are by a signed token."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("key", "key_file", "jwks"), required=True),)

    source: Annotated[Credential, says("Where the token is sent.")] = field(
        default="header:Authorization", name="from"
    )
    algorithms: Annotated[
        Annotated[tuple[Algorithm, ...], SOME], says("Signatures that are believed; no others are.")
    ]
    key: Annotated[Secret | None, says("The key itself: a shared secret, or a public key in PEM.")] = None
    key_file: Annotated[Text | None, says("File that holds the key.")] = None
    jwks: Annotated[Text | None, says("JSON Web Key Set: its http(s) address, or a file.")] = None
    issuer: Annotated[Text | None, says("What the token's iss must be; not looked at when left out.")] = None
    audience: Annotated[
        Text | None, says("What the token's aud must contain; not looked at when left out.")
    ] = None
    leeway: Annotated[Duration, says("How far clocks may differ when a token's times are compared.")] = (
        Duration(30)
    )
    claims: Annotated[Claims, says("Which claims say who the caller is.")] = field(default_factory=Claims)


class ApiKeyEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key, known by its hash only, and whom it stands for."""

    hash: Annotated[
        Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$", title='"sha256:" and 64 hexadecimal digits')],
        says("Hash of the key, never the key itself."),
    ]
    id: Annotated[Word, says("Id of the caller.")]
    role: Annotated[Text | None, says("Role of the caller, out of [roles].")] = None
    tier: Annotated[Text | None, says("Tier of the caller, out of [tiers].")] = None


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="api_key"):
    """Callers prove who they are by a key that was given to them."""

    source: Annotated[Credential, says("Where the key is sent.")] = field(
        default="header:X-API-Key", name="from"
    )
    keys: Annotated[tuple[ApiKeyEntry, ...], says("The keys that are known.")] = ()


class Auth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ways to prove who is calling: [auth.NAME], tried in the order of the file."""

    # Every key of the table that is not a field of its own is an entry of this one.
    rest: ClassVar[str] = "methods"

    default_tier: Annotated[
        Text | None, says("Tier of a caller whose credential names none, or one that does not exist.")
    ] = None
    methods: Annotated[dict[Name, Jwt | ApiKey], says("One way to prove who is calling.")] = {}
