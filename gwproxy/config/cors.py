"""Which other origins' pages may ask: [cors], and `cors` of a route or an aggregation."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Struct

from gwproxy.config.forms import HeaderName, MethodName, Text, says
from gwproxy.config.units import Duration

ANY: Final = "*"
NULL: Final = "null"
# Fetch, section 2.2.1: what pages of other origins always could send.
SAFELISTED: Final = ("GET", "HEAD", "POST")


class Cors(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which other origins' pages may ask; none without this table. A route's own stands in place of the whole."""

    allow_origins: Annotated[
        tuple[Text, ...],
        says(
            'Origins that may ask: scheme://host[:port], "https://*.example.com" for all below a domain, "null" for '
            'pages without an origin, "*" for any. Empty: no CORS here.'
        ),
    ] = ()
    allow_methods: Annotated[
        tuple[MethodName, ...],
        says('Methods they may use; GET, HEAD and POST are always among them. "*" is any.'),
    ] = SAFELISTED
    allow_headers: Annotated[
        tuple[HeaderName, ...], says('Headers they may send; "*" is any but Authorization.')
    ] = ()
    allow_credentials: Annotated[
        bool, says("Whether they may ask with the user's cookies, and read the answer. Not together with any \"*\".")
    ] = False
    expose_headers: Annotated[
        tuple[HeaderName, ...], says('Headers of the answer that they may read; "*" is any.')
    ] = ()
    max_age: Annotated[Duration, says("How long a browser may remember the answer to a preflight.")] = (
        Duration(600)
    )
