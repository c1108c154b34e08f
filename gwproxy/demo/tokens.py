"""Tokens for trying out: what an issuer would sign, where its secret is in the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from gwproxy.auth.claims import ClaimNames, claim
from gwproxy.auth.keys.key import SECRET_BYTES, Key
from gwproxy.snapshot.credentials import AuthSpec, JwtSpec, SourceSpec

SCOPES: Final = ("scope", "scp")
"""Claims whose permissions are one string with blanks between (RFC 8693 section 4.2)."""


class CannotSign(Exception):
    """Why there can be no such token."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token shall name; what is empty is left out."""

    id: str
    roles: Sequence[str] = ()
    permissions: Sequence[str] = ()
    tier: str = ""
    tenant: str = ""


def signer_of(auth: AuthSpec | None, name: str = "") -> JwtSpec:
    """The authenticator of this name, or else the only one that has a shared secret. Raises CannotSign."""
    methods = auth.methods if auth is not None else {}
    if name:
        spec = methods.get(name)
        if spec is None:
            raise CannotSign(f"there is no [auth.{name}]: {', '.join(methods) or 'there are none at all'}")
        if not isinstance(spec, JwtSpec):
            raise CannotSign(f"auth.{name} takes no tokens")
        _secret(spec)
        return spec
    able = [spec for spec in methods.values() if isinstance(spec, JwtSpec) and _secrets(spec)]
    if not able:
        tokens = [spec.name for spec in methods.values() if isinstance(spec, JwtSpec)]
        why = f"only the issuer of auth.{tokens[0]} can sign" if tokens else "no [auth.NAME] takes tokens"
        raise CannotSign(f"no shared secret: {why}")
    if len(able) > 1:
        raise CannotSign(f"several have a shared secret, say which: --auth {' or '.join(spec.name for spec in able)}")
    return able[0]


def claims_of(
    spec: JwtSpec, bearer: Bearer, now: float, ttl_s: float, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a token for `bearer` says, under the names that the configuration has for it; `more` comes last.

    Raises CannotSign where two claims stand in each other's way, or a claim is missing that must be there.
    """
    expected, names = spec.rules.expected, spec.rules.names
    claims: dict[str, Any] = {}
    if expected.issuer:
        claims["iss"] = expected.issuer
    if expected.audiences:
        claims["aud"] = expected.audiences[0]
    claims.update(iat=int(now), exp=int(now + ttl_s))
    for name, value in (*_said(bearer, names), *(more or {}).items()):
        _put(claims, name, value)
    for name in expected.required:
        if claim(claims, name) is None:
            raise CannotSign(f"auth.{spec.name} wants the claim {name}: give it one")
    return claims


def signed(spec: JwtSpec, claims: Mapping[str, Any]) -> str:
    """A token. Raises CannotSign where there is no shared secret."""
    key, algorithm = _secret(spec)
    headers = {"kid": key.kid} if key.kid is not None else None
    return jwt.encode(dict(claims), key.material, algorithm, headers, sort_headers=True)


def _said(bearer: Bearer, names: ClaimNames) -> list[tuple[str, Any]]:
    permissions: Any = list(bearer.permissions)
    if names.permissions.rpartition(".")[2] in SCOPES:
        permissions = " ".join(permissions)
    roles = list(bearer.roles)
    said = (
        (names.id, bearer.id), (names.role, roles[0] if len(roles) == 1 else roles), (names.permissions, permissions),
        (names.tier, bearer.tier), (names.tenant, bearer.tenant),
    )  # fmt: skip
    return [(name, value) for name, value in said if value]


def _put(claims: dict[str, Any], name: str, value: Any) -> None:
    """As claims.claim would find it: a dot leads into an object, but not in a name that is a URL."""
    parts = [name] if "/" in name or ":" in name else name.split(".")
    table = claims
    for part in parts[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise CannotSign(f"the claim {name} stands in the way of {part}")
        table = inner
    table[parts[-1]] = value


def _secrets(spec: JwtSpec) -> list[tuple[Key, str]]:
    """Each shared secret with an algorithm that it may be used with, the shortest hash first."""
    keys = () if isinstance(spec.keys, SourceSpec) else spec.keys.keys
    return [(key, name) for name in SECRET_BYTES for key in keys if name in key.algorithms]


def _secret(spec: JwtSpec) -> tuple[Key, str]:
    found = _secrets(spec)
    if not found:
        raise CannotSign(f"auth.{spec.name} has no shared secret: only the issuer can sign")
    return found[0]
