"""Config → the limits that each route asks for, as they will be decided: together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from gwproxy.config.callers import Limit, RateLimit
from gwproxy.config.either import hosts_of, methods_of
from gwproxy.config.routes import Aggregation, Route
from gwproxy.config.schema import Config
from gwproxy.limits.spec import EVERYBODY, Kind, LimitSpec, beside
from gwproxy.snapshot.types import LimitsOfCallers

MOST_EXACT: Final = 4096
"""Up to here a window is exact unless it says otherwise: a time of 8 bytes for each request."""
ANONYMOUS: Final = "anonymous"
"""The tier of a caller who has proved nothing."""
PRINCIPAL: Final = "principal"
_DAY_US: Final = 86_400_000_000
_PERIODS: Final[dict[Kind, int]] = {"day": _DAY_US, "month": 31 * _DAY_US}


def limits_of(
    config: Config, one: Route | Aggregation, tier: str = ANONYMOUS, plan: str = ""
) -> tuple[LimitSpec, ...]:
    """The limits that a caller of `tier` meets on this route, for a tenant of `plan`; those of everybody first."""
    found: list[LimitSpec] = []
    if config.limits.everybody is not None:
        found += _specs("global", "global", config.limits.everybody, EVERYBODY)
    for name in _services(one):
        limit = config.services[name].limit if name in config.services else None
        if limit is not None:
            found += _specs(f"service:{name}", name, limit, EVERYBODY)
    if one.limit is not None:
        found += _specs(f"route:{_place(one)}", "route", one.limit, EVERYBODY)
    if plan in config.plans:
        found += _specs(f"plan:{plan}", plan, config.plans[plan], "tenant")
    if tier in config.tiers:
        found += _specs(f"tier:{tier}", tier, config.tiers[tier], PRINCIPAL)
    named = _named(config, one)
    if named is not None:
        name, limit = named
        # Both may have dots, and no two limits may have one key.
        between = "/" if "." in one.service + name else "."  # type: ignore[union-attr,operator]
        found += _specs(f"limit:{one.service}{between}{name}", name, limit, PRINCIPAL, tier)  # type: ignore[union-attr]
    return tuple(found)


def limits_of_callers(config: Config, one: Route | Aggregation, *, tenants: bool) -> LimitsOfCallers:
    """The limits that callers meet, by tier and the plan of the tenant; "" is who has none. Nothing where nobody can
    be known.
    """
    tiers = ("", ANONYMOUS, *config.tiers) if config.auth.methods else (ANONYMOUS,)
    plans = ("", *config.plans) if tenants else ("",)
    if tiers == (ANONYMOUS,) and plans == ("",):
        return ()
    return tuple(
        (tier, plan, limits_of(config, one, tier, plan)) for tier in dict.fromkeys(tiers) for plan in plans
    )


def failures_of(config: Config) -> tuple[LimitSpec, ...]:
    """The limit of failed authentications, of each address."""
    limit = config.limits.auth_failures
    if limit is None:
        return ()
    if (limit.on_failure or config.state.on_failure) == "deny":
        # Nobody is let in by it, so that there is nothing to deny: what is left is to go on counting.
        limit = replace(limit, on_failure="local")
    return tuple(_specs("auth_failures", "auth_failures", limit, "address"))


def _services(one: Route | Aggregation) -> tuple[str, ...]:
    if isinstance(one, Route):
        return (one.service,) if one.service else ()
    return tuple(dict.fromkeys(part.service for part in one.parts))


def _named(config: Config, one: Route | Aggregation) -> tuple[str, RateLimit] | None:
    if not isinstance(one, Route) or one.service not in config.services:
        return None
    name = one.rate_limit or "default"
    limit = config.services[one.service].rate_limits.get(name)
    return None if limit is None else (name, limit)


def _place(one: Route | Aggregation) -> str:
    """A route's name that stays when others come before it in the file."""
    conditions = one.headers.items() if isinstance(one, Route) else ()
    words = (",".join(methods_of(one)), ",".join(hosts_of(one)) + one.path, *(f"{n}={quote(v)}" for n, v in conditions))
    return " ".join(words)


def _specs(key: str, name: str, limit: Limit, by: str, tier: str = "") -> Iterator[LimitSpec]:
    """A limit's window, then its burst, then its quota."""
    by = limit.by or by
    told = by != EVERYBODY
    requests = limit.tiers.get(tier, limit.requests) if isinstance(limit, RateLimit) else limit.requests
    if isinstance(limit, RateLimit) and tier in limit.tiers:
        # Else whoever changes tiers would go on from what the other tier used.
        key = f"{key}@{tier}"
    window_us = round(float(limit.window) * 1_000_000)
    kind: Kind = limit.precision or ("exact" if requests <= MOST_EXACT else "hard")
    also = (by, told, limit.on_failure, limit.lease or 0)
    yield LimitSpec(key, name, kind, requests, window_us, *also)
    if limit.burst is not None:
        fills_us = -(-window_us * limit.burst // requests)
        yield LimitSpec(beside(key, "burst"), f"{name}-burst", "bucket", limit.burst, fills_us, *also)
    if limit.quota is not None:
        kind = limit.quota.period
        yield LimitSpec(beside(key, kind), f"{name}-{kind}", kind, limit.quota.requests, _PERIODS[kind], *also)
