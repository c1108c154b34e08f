"""Who is calling: [auth] and its ways to prove that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.authenticators import Basic, ForwardAuth, Signature
from gwproxy.config.forms import SOME, Bound, Choice, Credential, Day, Name, Secret, Text, Timeout, says
from gwproxy.config.known import KnownCaller
from gwproxy.config.problems import Key
from gwproxy.config.units import Duration, Size

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

Realm = Annotated[
    str, Meta(pattern=r"^[ !#-\[\]-~]{1,64}$", title="1 to 64 visible ASCII characters, without quotes")
]


class Claims(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which claims of a token say who the caller is; a dot leads into a claim that is an object."""

    id: Annotated[Text, says("Claim with the caller's id.")] = "sub"
    role: Annotated[Text, says("Claim with the role, or a list of roles.")] = "role"
    permissions: Annotated[
        Text, says('Claim with the permissions: a list, or a string with blanks between, as in "scope".')
    ] = "permissions"
    tier: Annotated[Text, says("Claim with the tier.")] = "tier"
    tenant: Annotated[Text, says("Claim with the tenant.")] = "tenant"


class Jwt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="jwt"):
    """Callers prove who they are by a signed token."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("key", "key_file", "jwks")),)
    elsewhere: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("secret", "public_key"), 'did you mean "key"?'),
        **dict.fromkeys(("secret_file", "public_key_file"), 'did you mean "key_file"?'),
    }

    source: Annotated[Credential, says("Where the token is sent.")] = field(
        default="header:Authorization", name="from"
    )
    algorithms: Annotated[
        Annotated[tuple[Algorithm, ...], SOME], says("Signatures that are believed; no others are.")
    ]
    key: Annotated[Secret | None, says("The key itself: a shared secret, or a public key in PEM.")] = None
    key_file: Annotated[Text | None, says("File that holds the key.")] = None
    jwks: Annotated[
        Text | None,
        says(
            "JSON Web Key Set: its http(s) address, or a file. With none of the three, the issuer is asked where its "
            "keys are (OpenID Connect discovery)."
        ),
    ] = None
    issuer: Annotated[Text | None, says("What the token's iss must be; not looked at when left out.")] = None
    audience: Annotated[
        Text | Annotated[tuple[Text, ...], SOME] | None,
        says("What the token's aud must contain, any one of several; not looked at when left out."),
    ] = None
    leeway: Annotated[Duration, says("How far clocks may differ when a token's times are compared.")] = (
        Duration(30)
    )
    required_claims: Annotated[
        tuple[Text, ...], says("Claims that a token must have; a token without exp would hold for ever.")
    ] = ("exp",)
    max_token: Annotated[Bound, says("Longest token that is looked at.")] = Size(8192)
    refresh: Annotated[Timeout, says("How often keys are fetched that have an address.")] = Duration(600)
    timeout: Annotated[Timeout, says("How long fetching them may take.")] = Duration(5)
    ca: Annotated[
        str, says("File of the authorities that are trusted when keys are fetched; empty: the system's.")
    ] = ""
    claims: Annotated[Claims, says("Which claims say who the caller is.")] = field(default_factory=Claims)


class ApiKeyEntry(KnownCaller, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key, known by its hash only, and whom it stands for."""

    hash: Annotated[
        # Hidden in problems: what is none may well be the key itself.
        Annotated[
            Secret, Meta(pattern="^sha256:[0-9a-f]{64}$", title='"sha256:" and 64 hexadecimal digits in lower case')
        ],
        says("Hash of the key, never the key itself."),
    ]
    expires: Annotated[Day | None, says("Day, in UTC, from whose first moment on the key is refused.")] = None


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="api_key"):
    """Callers prove who they are by a key that was given to them."""

    source: Annotated[Credential, says("Where the key is sent.")] = field(
        default="header:X-API-Key", name="from"
    )
    keys: Annotated[tuple[ApiKeyEntry, ...], says("The keys that are known.")] = ()
    keys_file: Annotated[
        Text | None,
        says("A TOML file with further [[keys]], as `gwproxy key` writes it; read again with each reload."),
    ] = None
    store: Annotated[
        bool, says("Look keys that the file does not have up in the store of [state], which must outlast the gateway.")
    ] = False
    cache: Annotated[
        Timeout,
        says("How long a key of the store is believed without asking again: it is taken back within this time."),
    ] = Duration(30)


Authenticator = Jwt | ApiKey | Basic | Signature | ForwardAuth


class Auth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ways to prove who is calling: [auth.NAME], tried in the order of the file."""

    # Every key of the table that is not a field of its own is an entry of this one.
    rest: ClassVar[str] = "methods"

    default_tier: Annotated[
        Text | None, says("Tier of a caller whose credential names none, or one that does not exist.")
    ] = None
    realm: Annotated[Realm, says("What WWW-Authenticate calls the place that a credential is for.")] = "gwproxy"
    tell_missing: Annotated[
        bool, says("Tell who is refused with 403 which permission or role is missing; the log always knows.")
    ] = False
    methods: Annotated[dict[Name, Authenticator], says("One way to prove who is calling.")] = {}


def known_callers(auth: Auth) -> Iterator[tuple[Key, KnownCaller]]:
    """Every caller that the file itself knows, with the key of its table."""
    for name, method in auth.methods.items():
        word, entries = _entries(method)
        for index, entry in enumerate(entries):
            yield ("auth", name, word, index), entry


def _entries(method: Authenticator) -> tuple[str, tuple[KnownCaller, ...]]:
    if isinstance(method, ApiKey | Signature):
        return "keys", method.keys
    return ("users", method.users) if isinstance(method, Basic) else ("", ())
