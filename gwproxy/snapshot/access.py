"""Config → who may ask a route: which proofs are taken, and what a known caller must have."""

from __future__ import annotations

from gwproxy.config.either import requires_auth
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.schema import Config
from gwproxy.snapshot.limits import ANONYMOUS
from gwproxy.snapshot.types import Access


def access_of(config: Config, one: Route | Aggregation) -> Access:
    """What `one` wants of its callers."""
    kind = kind_of(one)
    tiers = frozenset(name for name, tier in config.tiers.items() if kind in tier.access)
    if kind == "public":
        # Who is known and has no tier may ask what everybody may.
        tiers |= {""}
    return Access(
        kind, tiers if _asks_tier(config, kind) else None, one.permissions, one.permissions_all, one.roles,
        config.auth.tell_missing,
    )  # fmt: skip


def authenticators_of(config: Config, one: Route | Aggregation) -> tuple[str, ...]:
    """The authenticators that are taken, in the order of the file, which is the order in which they are tried."""
    return tuple(name for name in config.auth.methods if not one.auth or name in one.auth)


def kind_of(one: Route | Aggregation) -> str:
    """What a tier's `access` calls this route. A public aggregation is public."""
    if not requires_auth(one):
        return "public"
    return "aggregations" if isinstance(one, Aggregation) else "authenticated"


def _asks_tier(config: Config, kind: str) -> bool:
    """Whether any caller could be kept out by its tier."""
    if not config.tiers or not config.auth.methods:
        return False
    known = [tier for name, tier in config.tiers.items() if name != ANONYMOUS]
    return kind != "public" or any("public" not in tier.access for tier in known)
