"""The fields that tell a caller of its limits (draft-ietf-httpapi-ratelimit-headers-11, and the older X- fields)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.spec import LimitSpec

SECOND_US: Final = 1_000_000


class Fields:
    """Field lines for the limits of one route."""

    __slots__ = ("_of",)

    def __init__(self, specs: Sequence[LimitSpec]) -> None:
        own = [spec for spec in specs if spec.told]
        policies = ", ".join(_policy(spec) for spec in own)
        self._of = {
            spec: b"RateLimit-Policy: %b\r\nX-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %%d\r\n"
            b'X-RateLimit-Reset: %%d\r\nRateLimit: "%b";r=%%d;t=%%d\r\n'
            % (policies.encode(), spec.requests, spec.name.encode())
            for spec in own
        }  # fmt: skip

    def of(self, spec: LimitSpec) -> bytes:
        """A format for what is left of `spec`, when there is more, what is left again, and in how many seconds."""
        return self._of[spec]


def filled(fields: bytes, left: int, now: int, renews: int) -> bytes:
    """The lines. Times are microseconds; seconds are rounded up, so that who waits for them never comes too early."""
    return fields % (left, -(-(now + renews) // SECOND_US), left, -(-renews // SECOND_US))


def finish(exchange: Exchange, reply: Reply) -> None:
    """Add what was decided to the reply, refusals too."""
    reply.lines += exchange.limits


def _policy(spec: LimitSpec) -> str:
    return f'"{spec.name}";q={spec.requests};w={max(spec.window_us // SECOND_US, 1)}'
