"""Permits that were taken from the store in advance, to be spent without asking it.

Invariant: a permit is spent at most `lease_us` after the store has counted it, and the store counts it for that much
longer (LimitSpec.leased). So no window holds more than its limit, whoever holds leases and however many there are. The
price is that permits which nobody spends in time are lost: never more than a tenth of what was left.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

MOST: Final = 100_000
"""Leases of one process. Who loses one has wasted its permits, no more."""
MOST_AT_ONCE: Final = 1000
"""Permits of a lease whose size is found by use."""


class Lease:
    """Permits of one caller of one limit. `size` is how many to ask for next; times are microseconds.

    `rest` is what the store had left, `renews_at` when it had more.
    """

    __slots__ = ("asking", "left", "most", "renews_at", "rest", "size", "until")

    def __init__(self, size: int, most: int) -> None:
        self.left = 0
        self.until = 0
        self.rest = 0
        self.renews_at = 0
        self.size = size
        self.most = most
        self.asking = False

    def spend(self, now: int) -> int:
        """Take a permit, where there is one that may be spent still: until when it might have been, else 0."""
        if self.left and now < self.until:
            self.left -= 1
            return self.until
        return 0

    def give_back(self, until: int, now: int) -> None:
        """A permit that was not needed, of those that may be spent before `until`."""
        if now < until:
            self.left += 1
            # Of two dates the earlier: others may have come since.
            self.until = min(self.until, until)

    def wanted(self, now: int) -> int:
        """How many permits to ask for: by one alone at a time, so that a crowd does not take a lease each."""
        if self.asking:
            return 1
        self.asking = True
        if self.until:
            # Used up in time: it may be larger. Else it was too large.
            larger = self.left == 0 and now < self.until
            self.size = min(self.size * 2, self.most) if larger else max(self.size // 2, 1)
        return self.size

    def fill(self, granted: int, until: int, rest: int, renews_at: int, now: int) -> None:
        """The store has given so many; they are to be spent before `until`, and those still held before theirs."""
        if now >= self.until:
            self.left = 0
        self.until = min(self.until, until) if self.left else until
        self.left += granted
        self.rest, self.renews_at = rest, renews_at


class Leases:
    """The leases of this process, a bounded number."""

    def __init__(self, most: int = MOST) -> None:
        self._of: dict[str, Lease] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._of)

    def get(self, key: str) -> Lease | None:
        """The lease of a key of the store."""
        return self._of.get(key)

    def have(self, key: str, size: int, most: int) -> Lease:
        """The lease of a key, a new one where there is none."""
        lease = self._of.get(key)
        if lease is None:
            if len(self._of) >= self._most:
                self._of.pop(next(iter(self._of)))
            lease = self._of[key] = Lease(size, most)
        return lease

    def forget(self, keys: list[str]) -> None:
        """What these had is not to be spent."""
        for key in keys:
            self._of.pop(key, None)

    def clear(self) -> None:
        """Forget all: limits have changed."""
        self._of.clear()

    def sweep(self, now: int, most: int = 1000) -> None:
        """Look at the `most` that were looked at longest ago, and let go of those whose time is over."""
        for key in list(islice(self._of, most)):
            lease = self._of.pop(key)
            if now < lease.until or lease.asking:
                self._of[key] = lease
