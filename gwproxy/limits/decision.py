"""What becomes of a request that its limits refuse, whatever store counts them."""

from __future__ import annotations

from typing import Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import SECOND_US


class Plan(Protocol):
    """The limits of one route, in one decision. `tells`: whether any is the caller's own."""

    tells: bool

    def check(self, exchange: Exchange) -> Waiter | None:
        """Take a permit of each limit, or of none, and leave in `exchange.limits` what the caller is to be told.

        A Waiter where the store has to be asked. Raises GatewayError (`rate_limited`) where a limit refuses.
        """


def refused(exchange: Exchange, spec: LimitSpec, wait_us: int) -> GatewayError:
    """A request that would be more than `spec` allows, for as long as `wait_us`."""
    exchange.refused_by = spec.key
    return GatewayError(
        "rate_limited", "Rate limit exceeded", phase=Phase.POLICY, cause=f"limit {spec.key}",
        retry_after_s=max(-(-wait_us // SECOND_US), 1), members={"limit": spec.name},
    )  # fmt: skip
