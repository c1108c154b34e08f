"""How services are told who is calling: [identity]."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Struct

from gwproxy.config.forms import Choice, HeaderName, Secret, Text, Timeout, Word, says
from gwproxy.config.units import Duration

IdentityForm = Literal["headers", "jwt", "none"]


class Identity(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How services are told who is calling: in plain headers, in one signed token, or not at all."""

    choices: ClassVar[tuple[Choice, ...]] = (Choice(("key", "key_file")),)

    form: Annotated[
        IdentityForm, says("X-User-Id and its like, a token that the gateway signs, or nothing.")
    ] = "headers"
    header: Annotated[
        HeaderName, says('Header of the token; in Authorization it stands behind "Bearer".')
    ] = "X-Gwproxy-Identity"
    algorithm: Annotated[
        Literal["EdDSA", "ES256", "RS256", "HS256"], says("How the token is signed.")
    ] = "EdDSA"
    key: Annotated[
        Secret | None, says("The key that signs: a private key in PEM, or for HS256 the shared secret.")
    ] = None
    key_file: Annotated[Text | None, says("File that holds the key.")] = None
    key_id: Annotated[
        Word | None, says("The token's kid; left out, an asymmetric key's thumbprint (RFC 7638).")
    ] = None
    issuer: Annotated[Word, says("The token's iss.")] = "gwproxy"
    audience: Annotated[
        Word | None, says("The token's aud; the name of the service that gets it when left out.")
    ] = None
    ttl: Annotated[
        Timeout, says("How long a token holds; a service gets none with less than half of that left.")
    ] = Duration(60)
