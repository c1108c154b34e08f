"""What the gateway itself proves to a service: [services.NAME.credentials]."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from gwproxy.config.forms import Choice, HeaderName, Secret, Text, says

# RFC 9110 section 5.5, ASCII only: of other bytes no two services make the same.
SecretValue = Annotated[
    str,
    Meta(
        pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
        title="visible ASCII characters, with blanks between at the most",
        extra_json_schema={"writeOnly": True},
    ),
]
# RFC 6750 section 2.1.
BearerToken = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._~+/-]+=*$",
        title="letters, digits and any of -._~+/, with = at the end at the most",
        extra_json_schema={"writeOnly": True},
    ),
]
UserId = Annotated[
    str, Meta(pattern=r"^[^:\x00-\x1f\x7f]+$", title="a name without a colon or control characters")
]


class OwnHeader(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A header that proves to a service that the gateway is asking."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("value", "value_file"), required=True),)

    name: Annotated[HeaderName, says("Name of the header.")]
    value: Annotated[SecretValue | None, says("Its value.")] = None
    value_file: Annotated[Text | None, says("File that holds its value.")] = None


class OwnPassword(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Name and password that prove to a service that the gateway is asking (RFC 7617)."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("password", "password_file"), required=True),)

    user: Annotated[UserId, says("Name.")]
    password: Annotated[Secret | None, says("Password.")] = None
    password_file: Annotated[Text | None, says("File that holds the password.")] = None


class OwnCredentials(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every request to the service carries, in the place of whatever the caller sent there."""

    choices: ClassVar[tuple[Choice, ...]] = (
        Choice(("header", "basic", "bearer", "bearer_file"), required=True),
    )

    header: Annotated[OwnHeader | None, says("A header of the service's own kind.")] = None
    basic: Annotated[OwnPassword | None, says("Name and password, in Authorization.")] = None
    bearer: Annotated[BearerToken | None, says("Token, in Authorization.")] = None
    bearer_file: Annotated[Text | None, says("File that holds the token.")] = None
