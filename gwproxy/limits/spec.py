"""What a limit allows, decided once from the configuration: the same for every store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Kind = Literal["exact", "hard", "bucket", "day", "month"]
"""exact, hard: a sliding window. bucket: a token bucket. day, month: a quota of the calendar's, in UTC."""

OnFailure = Literal["local", "allow", "deny"]
"""local: counted by this process, its share; allow: not at all; deny: nobody is let in."""

SUBWINDOWS: Final = 60
"""Parts of a `hard` window. The oldest part is counted whole, so that 1/60 of the limit at most is given away."""

EVERYBODY: Final = ""
"""Whom a limit counts that is not any caller's own."""


def beside(key: str, suffix: str) -> str:
    """The key of what stands beside a limit. A route's path may end as the suffix, but has no blank."""
    return f"{key} :{suffix}" if key.startswith("route:") else f"{key}:{suffix}"


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """One level of a request's limits.

    `key` names it in the store, `name` to callers; `requests` is the most in a window of `window_us` microseconds
    (of a bucket: how many it holds, and in which time it fills). `by` says who is counted by itself: "" is everybody
    together, else "principal", "address" or "header:NAME". `told`: its remaining is the caller's business.
    `on_failure`: what holds while the store fails, None for what the store says. `lease`: permits that a process may
    take at once, to spend them within `lease_us`; 0 for one by one.
    """

    key: str
    name: str
    kind: Kind
    requests: int
    window_us: int
    by: str = EVERYBODY
    told: bool = False
    on_failure: OnFailure | None = None
    lease: int = 0

    @property
    def step_us(self) -> int:
        """How long a bucket takes for one permit; rounded up, so that it never gives more than its rate."""
        return -(-self.window_us // self.requests)

    @property
    def part_us(self) -> int:
        """How long a part of a `hard` window is; rounded up, so that the parts are never less than the window."""
        return -(-self.window_us // SUBWINDOWS)

    @property
    def lease_us(self) -> int:
        """How long a permit that was taken in advance may be spent: a twentieth of the window, a second at the most."""
        return min(self.window_us // 20, 1_000_000)

    def leased(self) -> LimitSpec:
        """What the store is to hold so that this limit holds though permits are spent up to `lease_us` after they were
        counted: a window that is longer by it, or a bucket that is smaller by what comes into it meanwhile.
        """
        late = self.lease_us
        if self.kind in ("exact", "hard"):
            return replace(self, window_us=self.window_us + late)
        if self.kind == "bucket":
            step = self.step_us
            holds = max(self.requests - -(-late // step), 1)
            return replace(self, requests=holds, window_us=step * holds)
        return self
