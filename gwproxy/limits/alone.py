"""What holds for the limits of one route while their store fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.memory import MemoryPlan, MemoryStore
from gwproxy.limits.spec import LimitSpec, OnFailure


class Deserted(Protocol):
    """The store. `share`: how many processes share what is allowed, as far as is known."""

    local: MemoryStore
    on_failure: OnFailure
    share: int


class Alone:
    """Counts this process's share, or nothing, or refuses, as each limit says."""

    __slots__ = ("_deny", "_ipv6_prefix", "_plan", "_share", "_specs", "_store")

    def __init__(self, store: Deserted, specs: Sequence[LimitSpec], ipv6_prefix: int) -> None:
        policies = [spec.on_failure or store.on_failure for spec in specs]
        self._store = store
        self._ipv6_prefix = ipv6_prefix
        self._deny = "deny" in policies
        self._specs = [spec for spec, policy in zip(specs, policies, strict=True) if policy == "local"]
        self._share = 0
        self._plan: MemoryPlan | None = None

    def check(self, exchange: Exchange, why: str) -> Reply | None:
        """As a plan's check. Raises GatewayError where a limit says `deny`."""
        if self._deny:
            raise GatewayError(
                "state_unavailable", "Limits cannot be counted", blame=Blame.GATEWAY, phase=Phase.POLICY, cause=why,
                retry_after_s=1,
            )  # fmt: skip
        if not self._specs:
            return None
        if self._plan is None or self._share != self._store.share:
            # Made when it is needed: the number of processes may be another at each failure.
            self._share = self._store.share
            self._plan = self._store.local.plan_now([self._shared(spec) for spec in self._specs], self._ipv6_prefix)
        return self._plan.check(exchange)

    def used_up(self, exchange: Exchange) -> Reply | None:
        """As a plan's: of what was counted here, which is forgotten when the store is well again."""
        return None if self._plan is None else self._plan.used_up(exchange)

    def _shared(self, spec: LimitSpec) -> LimitSpec:
        return replace(spec, requests=math.ceil(spec.requests / self._share))
