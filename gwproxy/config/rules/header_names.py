"""Headers that mean something of their own, wherever a file names one for a credential."""

from __future__ import annotations

import re
from typing import Final

from gwproxy.config.rules.routes import no_condition

# What clients, browsers and caches send by themselves, with nearly every request (RFC 9110, RFC 9111, Fetch).
_SENT_ANYWAY: Final = re.compile(
    r"accept(-.*)?|access-control-.*|cache-control|content-.*|date|if-.*|max-forwards|origin|pragma|range|referer"
    r"|sec-.*|user-agent"
)
SIGNATURES: Final = ("signature", "signature-input")
ANYWAY: Final = "callers send this header for other ends: name another"


def sent_anyway(name: str) -> bool:
    """Whether requests have this header for ends of their own."""
    return _SENT_ANYWAY.fullmatch(name.lower()) is not None


def no_credential(name: str, *, cookies: str, signatures: bool = False) -> str:
    """Why a header can be no credential, as a cure; empty where it can.

    `cookies`: where a credential in a cookie is written. `signatures`: whether those of RFC 9421 are one.
    """
    lower = name.lower()
    if lower == "cookie":
        return cookies
    if lower in SIGNATURES and not signatures:
        return 'it belongs to a signed request: that is type = "signature"'
    return no_condition(name) or (ANYWAY if sent_anyway(name) else "")
