"""What becomes of a request that its limits refuse, whatever store counts them."""

from __future__ import annotations

from typing import Final, Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import SECOND_US
from gwproxy.replies import PROBLEM, date_line, problem, status_line

EXCEEDED: Final = "Rate limit exceeded"
TENANT: Final = "Tenant rate limit exceeded"
_ID: Final = b"@"
"""Stands where the id of a request comes: no id, no limit's name and no sentence has it."""


class Plan(Protocol):
    """The limits of one route, in one decision. `tells`: whether any is the caller's own."""

    tells: bool

    def check(self, exchange: Exchange) -> Reply | Waiter | None:
        """Take a permit of each limit, or of none, and leave in `exchange.limits` what the caller is to be told.

        A Waiter where the store has to be asked, the Reply where a limit refuses.
        """

    def used_up(self, exchange: Exchange) -> Reply | None:
        """The Reply where a limit is known to refuse, as far as can be told without asking. Takes nothing."""


class Refusal:
    """The reply of one limit: 429, made of what is the same each time. A flood of those refused must be cheap."""

    __slots__ = ("_after", "_before", "_error", "_spec")

    def __init__(self, spec: LimitSpec) -> None:
        self._spec = spec
        self._error = GatewayError(
            "rate_limited", TENANT if spec.key.startswith("plan:") else EXCEEDED, phase=Phase.POLICY,
            cause=f"limit {spec.key}", members={"limit": spec.name},
        )  # fmt: skip
        body = problem(self._error, _ID).body
        assert isinstance(body, bytes)
        self._before, _, self._after = body.partition(_ID)

    def reply(self, exchange: Exchange, wait_us: int) -> Reply:
        """As `replies.problem` would tell it, with Retry-After in whole seconds, at least 1."""
        exchange.code, exchange.error, exchange.refused_by = "rate_limited", self._error, self._spec.key
        body = b"%b%b%b" % (self._before, exchange.request_id, self._after)
        lines = b"%b%bRetry-After: %d\r\n" % (PROBLEM, date_line(), max(-(-wait_us // SECOND_US), 1))
        return Reply(429, _LINE, lines, body, len(body))


_LINE: Final = status_line(429)
