"""What a caller may do, once it is known who it is: its tier's access, then its permissions and roles."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange

FORBIDDEN: Final = "Insufficient permissions"


class TierAccess:
    """Lets only callers in whose tier may ask this kind of route."""

    __slots__ = ("_kind", "_tiers")

    def __init__(self, kind: str, tiers: Collection[str]) -> None:
        self._kind = kind
        self._tiers = frozenset(tiers)

    def __call__(self, exchange: Exchange) -> None:
        """Raises GatewayError (`tier_forbidden`)."""
        principal = exchange.sender.principal
        if principal is not None and principal.tier not in self._tiers:
            raise GatewayError(
                "tier_forbidden", f"Not included in your tier: {self._kind}", phase=Phase.POLICY,
                cause=f"tier {principal.tier}" if principal.tier else "no tier",
            )  # fmt: skip


class Authorize:
    """Lets only callers in who have one of `any_of`, all of `all_of`, and one of `roles`; what is empty asks nothing.

    `tells`: whether who is refused learns what is missing. The log always does.
    """

    __slots__ = ("_all", "_any", "_roles", "_tells")

    def __init__(
        self, any_of: Collection[str] = (), all_of: Collection[str] = (), roles: Collection[str] = (), *,
        tells: bool = False,
    ) -> None:  # fmt: skip
        self._any = frozenset(any_of)
        self._all = tuple(all_of)
        self._roles = frozenset(roles)
        self._tells = tells

    def __call__(self, exchange: Exchange) -> None:
        """Raises GatewayError (`forbidden`); `unauthenticated` would have come before."""
        principal = exchange.sender.principal
        if principal is None:
            raise self._refused("nobody", "a principal")
        grants = principal.grants
        if self._any and not grants.holds_any(self._any):
            raise self._refused(principal.id, " or ".join(sorted(self._any)))
        if self._all and (lacking := grants.lacking(self._all)):
            raise self._refused(principal.id, " and ".join(lacking))
        if self._roles and self._roles.isdisjoint(principal.roles):
            raise self._refused(principal.id, f"role {' or '.join(sorted(self._roles))}")

    def _refused(self, who: str, missing: str) -> GatewayError:
        detail = f"{FORBIDDEN}: {missing}" if self._tells else FORBIDDEN
        return GatewayError("forbidden", detail, phase=Phase.POLICY, cause=f"lacks {missing}")
