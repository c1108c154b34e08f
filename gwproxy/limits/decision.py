"""What was decided about a request: all its limits together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from gwproxy.drive import Waiter
from gwproxy.limits.spec import LimitSpec

SECOND_US: Final = 1_000_000


class Decision:
    """`refused` is the limit that refuses for longest, None where all allow; `wait_us` until it no longer does.

    `told` is the tightest of those limits that are the caller's own, with what is `left` of it and in which time it
    `renews_us`; `now_us` is the store's time, since 1970.
    """

    __slots__ = ("left", "now_us", "refused", "renews_us", "told", "wait_us")

    def __init__(
        self, now_us: int, refused: LimitSpec | None, wait_us: int, told: LimitSpec | None, left: int, renews_us: int
    ) -> None:
        self.now_us = now_us
        self.refused = refused
        self.wait_us = wait_us
        self.told = told
        self.left = left
        self.renews_us = renews_us

    @property
    def retry_after_s(self) -> int:
        """Whole seconds after which all limits allow, as far as it is up to this caller; at least 1."""
        return max(-(-self.wait_us // SECOND_US), 1)


class Plan(Protocol):
    """The limits that one route asks of a store, in one decision."""

    def decide(self, whos: Sequence[str]) -> Decision | Waiter:
        """Take a permit of each limit, or of none. `whos`: by limit, whose permit; a Waiter gives the Decision."""
