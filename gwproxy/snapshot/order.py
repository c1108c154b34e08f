"""The order of a route's steps, as one tuple. A step that a route doesn't ask for is not in its checks at all."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gwproxy.auth.stored_tenants import StoredTenants
from gwproxy.auth.tenant import Tenant
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.decision import Plan
from gwproxy.limits.told import finish
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.steps.addresses import Door
from gwproxy.steps.authenticate import Authenticate, closed
from gwproxy.steps.authorize import Authorize, TierAccess
from gwproxy.steps.cors import Policy
from gwproxy.steps.limit import LimitsOfCaller
from gwproxy.steps.protect import Ending, not_ending, under_maintenance
from gwproxy.steps.stored_tenancy import EnterStoredTenant, FindStoredTenant
from gwproxy.steps.tenancy import EnterTenant, FindTenant
from gwproxy.steps.version import NEVER, Clock, Telling, refuse_gone, refuse_unknown

Check = Callable[[Exchange], Reply | Awaitable[Reply | None] | None]
"""None: go on. A Reply: stop. An awaitable of either, where the step must wait."""

Finish = Callable[[Exchange, Reply], None]
"""Adds fields to a reply, on refusals too; no I/O."""


class Up:
    """A gateway that serves."""

    draining = False


@dataclass(frozen=True, slots=True)
class Means:
    """What steps stand on that is not the route's own: what was made for it out of what lives on."""

    gateway: Ending
    limits: Plan | None = None
    caller_limits: Mapping[tuple[str, str], Plan | None] = field(default_factory=dict)
    authenticate: Authenticate | None = None
    door: Door | None = None
    cors: Policy | None = None
    clock: Clock = time.time
    tenants: Mapping[bytes, Tenant] = field(default_factory=dict)
    stored: StoredTenants | None = None


def _addresses(route: CompiledRoute, means: Means) -> Check | None:
    return means.door.check if means.door is not None else None


def _readiness(route: CompiledRoute, means: Means) -> Check | None:
    return partial(not_ending, means.gateway) if route.ready_only else None


def _version(route: CompiledRoute, means: Means) -> Check | None:
    spec = route.version
    if spec is None or (spec.name and spec.gone_at == NEVER):
        return None
    return partial(refuse_gone if spec.name else refuse_unknown, spec, means.clock)


def _maintenance(route: CompiledRoute, means: Means) -> Check | None:
    return under_maintenance if route.maintenance else None


def _authentication(route: CompiledRoute, means: Means) -> Check | None:
    if means.authenticate is None:
        return closed if route.closed else None
    return means.authenticate.required if route.closed else means.authenticate.optional


def _named_tenant(route: CompiledRoute, means: Means) -> Check | None:
    if route.tenant is None:
        return None
    if means.stored is not None:
        return FindStoredTenant(route.tenant.sources, means.stored)
    return FindTenant(route.tenant.sources, means.tenants)


def _tenant(route: CompiledRoute, means: Means) -> Check | None:
    if route.tenant is None:
        return None
    claims, required = route.tenant.claims, route.tenant.required
    if means.stored is not None:
        return EnterStoredTenant(means.tenants, means.stored, claims=claims, required=required)
    return EnterTenant(means.tenants, claims=claims, required=required)


def _tier(route: CompiledRoute, means: Means) -> Check | None:
    access = route.access
    return TierAccess(access.kind, access.tiers) if access.tiers is not None else None


def _authorization(route: CompiledRoute, means: Means) -> Check | None:
    access = route.access
    if means.authenticate is None or not (access.any_of or access.all_of or access.roles):
        return None
    return Authorize(access.any_of, access.all_of, access.roles, tells=access.tells)


def _limits(route: CompiledRoute, means: Means) -> Check | None:
    if any(plan is not means.limits for plan in means.caller_limits.values()):
        return LimitsOfCaller(means.caller_limits)
    return means.limits.check if means.limits is not None else None


ORDER: Final[tuple[Callable[[CompiledRoute, Means], Check | None], ...]] = (
    _addresses,
    _readiness,
    _version,
    _maintenance,
    _named_tenant,
    _authentication,
    _tenant,
    _tier,
    _authorization,
    _limits,
)


def checks_of(route: CompiledRoute, means: Means) -> tuple[Check, ...]:
    """The checks that `route` uses, in order."""
    built = (build(route, means) for build in ORDER)
    return tuple(check for check in built if check is not None)


def finishers_of(route: CompiledRoute, means: Means) -> tuple[Finish, ...]:
    """What adds fields to the replies of a route."""
    found: list[Finish] = []
    plans = (means.limits, *means.caller_limits.values())
    if any(plan is not None and plan.tells for plan in plans):
        found.append(finish)
    if means.cors is not None:
        found.append(means.cors.finish)
    return (*found, *_of_version(route, means))


def _of_version(route: CompiledRoute, means: Means) -> tuple[Finish, ...]:
    spec = route.version
    if spec is None or not spec.name:
        return ()
    telling = Telling(spec, means.clock)
    return (telling.finish_deprecated if spec.ends else telling.finish,)
