"""Which limits a request meets, where that depends on who is calling, and for which tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gwproxy.drive import Waiter
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.decision import Plan

ANONYMOUS: Final = "anonymous"


class LimitsOfCaller:
    """The limits of the caller's tier and its tenant's plan, by these two. None: nothing is limited."""

    __slots__ = ("_plans",)

    def __init__(self, plans: Mapping[tuple[str, str], Plan | None]) -> None:
        self._plans = dict(plans)

    def __call__(self, exchange: Exchange) -> Reply | Waiter | None:
        """As a plan's check."""
        plan = self._plans[kind_of(exchange)]
        return None if plan is None else plan.check(exchange)


def kind_of(exchange: Exchange) -> tuple[str, str]:
    """A caller's tier, and the plan of its tenant; "" for what it has not."""
    sender = exchange.sender
    principal, tenant = sender.principal, sender.tenant
    return ANONYMOUS if principal is None else principal.tier, "" if tenant is None else tenant.plan
