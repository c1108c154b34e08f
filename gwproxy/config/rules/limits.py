"""Limits that could not do what they say."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.callers import LEASE_SHARE, Limit, RateLimit
from gwproxy.config.either import all_routes, has_limits, need_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, show
from gwproxy.config.rules.routes import no_condition

PERIODS = ("day", "month")
MOST_EXACT = 1_000_000
"""8 MB of times for one caller: beyond that `exact` is surely a mistake."""


def limits(loaded: Loaded) -> Iterator[Problem]:
    """Bursts, quotas and precisions that fit the limit which they stand on."""
    for key, limit in _all(loaded):
        highest = max([limit.requests, *(limit.tiers.values() if isinstance(limit, RateLimit) else ())])
        if limit.precision == "exact" and highest > MOST_EXACT:
            yield loaded.problem(
                "limit_too_exact", (*key, "precision"), found=f"{highest} requests",
                expected=f"at most {MOST_EXACT}", hint='exact keeps 8 bytes for each: leave it out, or write "hard"',
            )  # fmt: skip
        if limit.burst is not None and limit.burst > limit.requests:
            yield loaded.problem(
                "limit_without_effect", (*key, "burst"), found=str(limit.burst), expected=f"at most {limit.requests}",
                hint="a window allows no more requests than that at once",
            )  # fmt: skip
        kind, _, header = (limit.by or "").partition(":")
        if kind == "header" and (hint := no_condition(header)):
            yield loaded.problem("bad_header", (*key, "by"), found=show(header), hint=hint)
        if kind == "tenant" and loaded.config.tenancy is None:
            hint = 'no request has a tenant without [tenancy]: callers are counted as by "principal"'
            yield loaded.problem("no_effect", (*key, "by"), found='"tenant"', hint=hint)
        if limit.lease is not None and limit.lease > limit.requests // LEASE_SHARE:
            most = limit.requests // LEASE_SHARE
            yield loaded.problem(
                "limit_without_effect", (*key, "lease"), found=str(limit.lease),
                expected=f"at most {most}" if most > 1 else "no lease for so few requests",
                hint=f"a lease takes at most 1/{LEASE_SHARE} of what is left",
            )  # fmt: skip
        # A period that cannot be read is told already.
        if limit.quota is not None and limit.quota.period in PERIODS and limit.quota.requests < limit.requests:
            yield loaded.problem(
                "limit_without_effect", (*key, "requests"), found=str(limit.requests),
                expected=f"at most {limit.quota.requests}",
                hint=f"a whole {limit.quota.period} has no more: raise the quota, or lower this",
            )  # fmt: skip


def tenants(loaded: Loaded) -> Iterator[Problem]:
    """What is counted by tenant meets tenants, and what tenants have bought is."""
    config = loaded.config
    for route_key, route in all_routes(config):
        ignored = config.tenancy is not None and need_of(config, route_key, route) == "ignored"
        if ignored and route.limit is not None and route.limit.by == "tenant":
            hint = 'this route looks for no tenant: callers are counted as by "principal"'
            yield loaded.problem("no_effect", (*route_key, "limit", "by"), found='"tenant"', hint=hint)
    for name, plan in config.plans.items():
        # Whoever writes "principal" sells something to each user.
        if plan.by is not None and plan.by not in ("tenant", "principal"):
            key: Key = ("plans", name, "by")
            hint = "tenants that come with the same one share what it allows: leave it out"
            yield loaded.problem("plan_counts_apart", key, found=loaded.shown(key, plan.by), hint=hint)


def durable(loaded: Loaded) -> Iterator[Problem]:
    """A quota of the calendar's is worth what its store remembers; told once, since all have the same store."""
    url = loaded.config.state.url
    if "://" in url and not url.startswith(("memory:", "embedded:")):
        return
    for key, limit in _all(loaded):
        if limit.quota is not None and limit.quota.period in PERIODS:
            yield loaded.problem(
                "quota_not_durable", (*key, "quota"), found=f"[state] url {show(url) if url else 'left out'}",
                expected="a redis server that writes to disk",
                hint=f"with a restart of the gateway everybody has the whole {limit.quota.period}'s again",
            )  # fmt: skip
            return


def failures(loaded: Loaded) -> Iterator[Problem]:
    """Who has not proved who it is can only be known by its address."""
    limit = loaded.config.limits.auth_failures
    if limit is not None and limit.by not in (None, "address"):
        yield loaded.problem(
            "limit_without_effect", ("limits", "auth_failures", "by"), found=limit.by or "", expected="address",
            hint="a caller whose credentials fail has no other name: leave it out",
        )  # fmt: skip


def stores(loaded: Loaded) -> Iterator[Problem]:
    """Several workers count limits in a store that they share."""
    config = loaded.config
    if config.state.url == "memory://" and config.gateway.workers != 1 and has_limits(config):
        yield loaded.problem(
            "state_not_shared", ("state", "url"), found="memory://", expected="a store that all workers share",
            hint="each would count for itself: leave it out for a server of the gateway's own, or set workers = 1",
        )  # fmt: skip


def _all(loaded: Loaded) -> Iterator[tuple[Key, Limit]]:
    config = loaded.config
    if config.limits.everybody is not None:
        yield ("limits", "global"), config.limits.everybody
    if config.limits.auth_failures is not None:
        yield ("limits", "auth_failures"), config.limits.auth_failures
    for name, tier in config.tiers.items():
        yield ("tiers", name), tier
    for name, plan in config.plans.items():
        yield ("plans", name), plan
    for name, service in config.services.items():
        if service.limit is not None:
            yield ("services", name, "limit"), service.limit
        for word, limit in service.rate_limits.items():
            yield ("services", name, "rate_limits", word), limit
    for key, route in all_routes(config):
        if route.limit is not None:
            yield (*key, "limit"), route.limit
