"""Who is calling, once proved, and what services are told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gwproxy.auth.permissions import Grants

LONGEST: Final = 256
"""Bytes of an id, a role, a tier or a tenant. They become headers, names of counters, and fields of a log line."""


class Unproved(Exception):
    """A credential that proves nothing. The reason is for the log: it has no secret in it, and no caller reads it."""


class Unjudged(Exception):
    """A credential that cannot be judged now, through no fault of the caller's: its keys could not be had.

    `code` is the word of errors.WORDS that tells it.
    """

    code = "state_unavailable"


class Overloaded(Unjudged):
    """Too many others are being judged."""

    code = "overloaded"


class Principal:
    """A caller who has proved who it is. Immutable, and shared by all its requests.

    `via` names the authenticator that took the proof, `lines` are the field lines that services get.
    """

    __slots__ = ("grants", "id", "lines", "roles", "tenant", "tier", "via")

    def __init__(
        self, id_: str, via: str, *, roles: tuple[str, ...] = (), grants: Grants, tier: str = "", tenant: str = ""
    ) -> None:
        self.id = id_
        self.via = via
        self.roles = roles
        self.grants = grants
        self.tier = tier
        self.tenant = tenant
        self.lines = identity_lines(id_, roles, tier, tenant)

    def __repr__(self) -> str:
        return f"<Principal {self.id!r} via {self.via}>"


def identity_lines(id_: str, roles: Sequence[str], tier: str, tenant: str) -> bytes:
    """The fields that name a caller to a service; those of which nothing is known are absent."""
    fields = (
        (b"X-User-Id", id_), (b"X-User-Role", ",".join(roles)), (b"X-User-Tier", tier), (b"X-Tenant-Id", tenant),
    )  # fmt: skip
    return b"".join(b"%b: %b\r\n" % (name, value.encode()) for name, value in fields if value)


ONCE: Final = 0.0
"""Instead of a time: the proof is of one request, and says nothing of another with the same field lines."""


class Proof:
    """That `principal` is calling, until the wall clock says `until` (seconds since 1970; infinite where nothing
    ends it).
    """

    __slots__ = ("principal", "until")

    def __init__(self, principal: Principal, until: float) -> None:
        self.principal = principal
        self.until = until


class Identities:
    """Makes principals of what credentials say: what a role may do, and which tiers there are."""

    __slots__ = ("_default_tier", "_roles", "_tiers")

    def __init__(
        self, roles: Mapping[str, Sequence[str]], tiers: Iterable[str] = (), default_tier: str | None = None
    ) -> None:
        self._roles = roles
        self._tiers = frozenset(tiers)
        self._default_tier = default_tier or ""

    def principal(
        self, via: str, id_: str, *, roles: Sequence[str] = (), permissions: Sequence[str] = (), tier: str = "",
        tenant: str = "",
    ) -> Principal:
        """A caller. Raises Unproved for a name that could not stand in a header as it is."""
        for what, names in (("id", (id_,)), ("role", roles), ("tenant", (tenant,))):
            for name in names:
                _fit(what, name)
        granted = [*permissions, *(each for role in roles for each in self._roles.get(role, ()))]
        return Principal(
            id_, via, roles=tuple(roles), grants=Grants(granted),
            tier=tier if tier in self._tiers else self._default_tier, tenant=tenant,
        )  # fmt: skip


def _fit(what: str, name: str) -> None:
    """RFC 9110 section 5.5: a value has no control characters, and blanks around it are not part of it."""
    if not name.isprintable() or name != name.strip() or len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        raise Unproved(f"its {what} cannot stand in a header")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Unproved(f"its {what} is no Unicode") from None
    if what == "role" and "," in name:
        raise Unproved("a role has a comma in its name")
