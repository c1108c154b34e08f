"""What the claims of a token say (RFC 7519 section 4): whether it holds now and for us, and who its bearer is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gwproxy.auth.principal import Identities, Proof, Unproved

NEVER: Final = math.inf


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims say who the caller is. A dot leads into a claim that is an object."""

    id: str = "sub"
    role: str = "role"
    permissions: str = "permissions"
    tier: str = "tier"
    tenant: str = "tenant"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `issuer` and `audiences` are not looked at where they are empty; `leeway_s` is how far
    clocks may differ.
    """

    issuer: str = ""
    audiences: tuple[str, ...] = ()
    leeway_s: float = 30.0
    required: tuple[str, ...] = ("exp",)


def holds_until(claims: Mapping[str, Any], expected: Expected, now: float) -> float:
    """Until when these claims hold, leeway included. Raises Unproved where they don't hold for us and now."""
    for name in expected.required:
        if claim(claims, name) is None:
            raise Unproved(f"no claim {name}")
    if expected.issuer and claims.get("iss") != expected.issuer:
        raise Unproved("another issuer's")
    if expected.audiences and not _is_among(claims.get("aud"), expected.audiences):
        raise Unproved("for another audience")
    leeway = expected.leeway_s
    expires = _time(claims, "exp", NEVER)
    if now >= expires + leeway:
        raise Unproved("expired")
    if max(_time(claims, "nbf", 0), _time(claims, "iat", 0)) > now + leeway:
        raise Unproved("not valid yet")
    return expires + leeway


def proof_of(
    claims: Mapping[str, Any], names: ClaimNames, via: str, identities: Identities, until: float
) -> Proof:
    """Whom the claims name. Raises Unproved where they name nobody, or in a form that could mean several things."""
    id_ = claim(claims, names.id)
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)
    if not isinstance(id_, str) or not id_:
        raise Unproved(f"no claim {names.id} that is a name")
    principal = identities.principal(
        via, id_, roles=_words(claims, names.role, split=False), permissions=_words(claims, names.permissions),
        tier=_word(claims, names.tier), tenant=_word(claims, names.tenant),
    )  # fmt: skip
    return Proof(principal, until)


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a dotted path into objects; None where there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _time(claims: Mapping[str, Any], name: str, otherwise: float) -> float:
    """A NumericDate (RFC 7519 section 2). Raises Unproved for what is none: a rule that cannot be judged denies."""
    value = claims.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
        raise Unproved(f"claim {name} is no time")
    return float(value)


def _is_among(audience: object, wanted: Sequence[str]) -> bool:
    if isinstance(audience, list):
        return any(each in wanted for each in audience if isinstance(each, str))
    return isinstance(audience, str) and audience in wanted


def _word(claims: Mapping[str, Any], name: str) -> str:
    value = claim(claims, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unproved(f"claim {name} is no string")
    return value


def _words(claims: Mapping[str, Any], name: str, *, split: bool = True) -> list[str]:
    """A list of names, or one string of them with blanks between (RFC 6749 section 3.3); a role has no blanks to split
    at.
    """
    value = claim(claims, name)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return value.split() if split else [value]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise Unproved(f"claim {name} is no list of strings")
