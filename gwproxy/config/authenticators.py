"""Further ways to prove who is calling: passwords, signed requests, and asking somebody else."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from gwproxy.config.forms import SOME, Bound, Choice, HeaderName, Path, Secret, Text, Timeout, says
from gwproxy.config.known import KnownCaller
from gwproxy.config.units import Duration, Size

# RFC 7617 section 2: no colon, which ends the name, and no control characters.
UserName = Annotated[
    str,
    Meta(pattern=r"^[^:\x00-\x1f\x7f]{1,128}$", title="1 to 128 characters without a colon or control characters"),
]
PasswordHash = Annotated[
    str,
    Meta(
        pattern=r"^scrypt:1[4-7]:8:[1-9]:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}$",
        title='what `gwproxy password` prints: "scrypt:" and the hash',
        extra_json_schema={"writeOnly": True},
    ),
]
Component = Annotated[
    str,
    Meta(pattern=r"^@?[a-z0-9!#$%&'*+.^_`|~-]+$", title='"@method", "@path" …, or the name of a header in lower case'),
]
# A key of RFC 8941 section 3.2.
Label = Annotated[
    str,
    Meta(pattern=r"^[a-z*][a-z0-9_.*-]*$", title='a label such as "sig1": lower-case letters, digits and any of _-.*'),
]
CookieName = Annotated[
    str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", title='the name of a cookie; a "*" ends a prefix')
]
SignatureAlgorithm = Literal["hmac-sha256", "ed25519", "ecdsa-p256-sha256"]


class User(KnownCaller, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One user, whose password is known by its hash only, and whom it stands for."""

    name: Annotated[UserName, says("Name that is sent with the password.")]
    password: Annotated[PasswordHash, says("Hash of the password, as `gwproxy password` prints it.")]


class Basic(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="basic"):
    """Callers prove who they are by name and password (RFC 7617), in Authorization."""

    users: Annotated[tuple[User, ...], says("The users that are known.")] = ()
    users_file: Annotated[
        Text | None, says("A TOML file with further [[users]]; read again with each reload.")
    ] = None
    remember: Annotated[
        Timeout, says("How long a password that was verified is believed without verifying it again.")
    ] = Duration(300)


class SignerKey(KnownCaller, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key that requests are signed with, and whom it stands for."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("key", "key_file"), required=True),)

    keyid: Annotated[
        Annotated[str, Meta(pattern=r"^[ -~]{1,256}$", title="1 to 256 printable ASCII characters")],
        says("Name of the key, as signatures have it in keyid."),
    ]
    algorithm: Annotated[SignatureAlgorithm, says("What the key is for; no signature chooses that.")]
    key: Annotated[
        Secret | None, says('The key itself: a public key in PEM, or a shared secret, as it is or behind "base64:".')
    ] = None
    key_file: Annotated[Text | None, says("File that holds the key.")] = None


class Signature(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="signature"):
    """Callers prove who they are by signing each request (RFC 9421)."""

    keys: Annotated[Annotated[tuple[SignerKey, ...], SOME], says("The keys that are known.")]
    components: Annotated[
        Annotated[tuple[Component, ...], SOME], says("What a signature must cover; it may cover more.")
    ] = ("@method", "@authority", "@path", "@query")
    digest: Annotated[
        bool, says("Whether a request with a body must have a Content-Digest (RFC 9530) that is covered too.")
    ] = True
    max_body: Annotated[
        Bound, says("Longest body that is held and compared with its digest, in memory, before anything is forwarded.")
    ] = Size(1048576)
    max_age: Annotated[Timeout, says("How long after it was made a signature is believed.")] = Duration(300)
    leeway: Annotated[Duration, says("How far clocks may differ.")] = Duration(30)
    nonce: Annotated[
        bool, says("Whether a signature must have a nonce, and is taken once only, by each worker.")
    ] = False
    label: Annotated[Label | None, says("The only label that is looked at; any when left out.")] = None
    tag: Annotated[Text | None, says("The tag that a signature must have; any or none when left out.")] = None


class AnsweredIdentity(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which headers of the answer say who the caller is."""

    id: Annotated[HeaderName, says("Header with the caller's id; an answer that lets in must have it.")] = "X-Auth-User"
    role: Annotated[HeaderName, says("Header with the role, or roles with commas between.")] = "X-Auth-Role"
    permissions: Annotated[
        HeaderName, says("Header with the permissions, commas or blanks between.")
    ] = "X-Auth-Permissions"
    tier: Annotated[HeaderName, says("Header with the tier.")] = "X-Auth-Tier"
    tenant: Annotated[HeaderName, says("Header with the tenant.")] = "X-Auth-Tenant"


class ForwardAuth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="forward"):
    """A service is asked who is calling: 2xx lets in, 401 and 403 refuse."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("service", "url"), required=True),)

    service: Annotated[Text | None, says("The service that is asked, out of [services].")] = None
    url: Annotated[
        Text | None, says("Its address, where it is no service: http, https, or http+unix:///path/to.sock.")
    ] = None
    path: Annotated[Path, says("Path that is asked for, with GET.")] = "/"
    send: Annotated[
        tuple[HeaderName, ...],
        says("Headers that are the credential: who has any of them is asked about, and no other service gets them."),
    ] = ("Authorization",)
    cookies: Annotated[
        tuple[CookieName, ...], says('Cookies that are the credential, in the same way; "sid*" is all that begin so.')
    ] = ()
    identity: Annotated[AnsweredIdentity, says("Which headers of the answer say who the caller is.")] = field(
        default_factory=AnsweredIdentity
    )
    scheme: Annotated[
        Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", title="the name of a scheme")],
        says("Scheme that WWW-Authenticate names where a credential is missing or refused."),
    ] = "Bearer"
    timeout: Annotated[Timeout, says("How long the answer may take, connecting included.")] = Duration(5)
    cache: Annotated[
        Timeout | None,
        says("How long an answer that lets in holds where the very same would be asked; not at all when left out."),
    ] = None
