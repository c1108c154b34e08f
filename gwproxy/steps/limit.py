"""Which limits a request meets, where that depends on who is calling."""

from __future__ import annotations

from collections.abc import Mapping

from gwproxy.drive import Waiter
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.decision import Plan


class LimitsOfTier:
    """The limits of the caller's tier; `anonymous` where it has proved nothing. None: nothing is limited."""

    __slots__ = ("_anonymous", "_plans")

    def __init__(self, anonymous: Plan | None, plans: Mapping[str, Plan | None]) -> None:
        self._anonymous = anonymous
        self._plans = dict(plans)

    def __call__(self, exchange: Exchange) -> Reply | Waiter | None:
        """As a plan's check."""
        principal = exchange.sender.principal
        plan = self._anonymous if principal is None else self._plans[principal.tier]
        return None if plan is None else plan.check(exchange)
