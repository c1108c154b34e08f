"""The step that asks a route's limits, all in one decision, and the fields that tell the caller of it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.caller import who_by
from gwproxy.limits.decision import SECOND_US, Decision, Plan
from gwproxy.limits.spec import LimitSpec


class Limiter:
    """Decides over the limits of one route."""

    __slots__ = ("_plan", "_policies", "_told", "_whos")

    def __init__(self, specs: Sequence[LimitSpec], plan: Plan, ipv6_prefix: int) -> None:
        self._plan = plan
        self._whos = tuple(who_by(spec.by, ipv6_prefix) for spec in specs)
        told = [spec for spec in specs if spec.told]
        policies = ", ".join(_policy(spec) for spec in told)
        self._policies = f"RateLimit-Policy: {policies}\r\n".encode()
        self._told = {
            spec: b"%bX-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %%d\r\nX-RateLimit-Reset: %%d\r\n"
            b'RateLimit: "%b";r=%%d;t=%%d\r\n' % (self._policies, spec.requests, spec.name.encode())
            for spec in told
        }  # fmt: skip

    @property
    def tells(self) -> bool:
        """Whether any of the limits is the caller's own."""
        return bool(self._told)

    def check(self, exchange: Exchange) -> Awaitable[None] | None:
        """Take a permit of each limit, at once or as soon as the store has answered.

        Raises GatewayError (`rate_limited`) where one refuses.
        """
        decision = self._plan.decide([who(exchange) for who in self._whos])
        if isinstance(decision, Waiter):
            return self._wait(exchange, decision)
        exchange.limits = decision
        if decision.refused is not None:
            raise refused(decision)
        return None

    async def _wait(self, exchange: Exchange, waiter: Waiter) -> None:
        decision: Decision = await waiter
        exchange.limits = decision
        if decision.refused is not None:
            raise refused(decision)

    def finish(self, exchange: Exchange, reply: Reply) -> None:
        """Tell the caller what is left (draft-ietf-httpapi-ratelimit-headers-11, and the older X- fields)."""
        decision: Decision | None = exchange.limits
        if decision is None or decision.told is None:
            return
        left, renews_us = decision.left, decision.renews_us
        reply.lines += self._told[decision.told] % (
            left, -(-(decision.now_us + renews_us) // SECOND_US), left, -(-renews_us // SECOND_US),
        )  # fmt: skip


def _policy(spec: LimitSpec) -> str:
    return f'"{spec.name}";q={spec.requests};w={max(spec.window_us // SECOND_US, 1)}'


def refused(decision: Decision) -> GatewayError:
    """A request that would be more than a limit allows."""
    assert decision.refused is not None
    key = decision.refused.key
    return GatewayError(
        "rate_limited", "Rate limit exceeded", phase=Phase.POLICY, cause=f"limit {key}",
        retry_after_s=decision.retry_after_s, members={"limit": decision.refused.name},
    )  # fmt: skip
