"""Targets one after another, by weight: smooth weighted round robin, as nginx does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class RoundRobin(Generic[T]):
    """Gives out targets so that over any `sum(weights)` picks each comes `weight` times, evenly spread."""

    __slots__ = ("_current", "only", "_targets", "_total", "_weights")

    def __init__(self, targets: Sequence[tuple[T, int]]) -> None:
        if not targets:
            raise ValueError("a service has at least one target")
        self._targets = [target for target, _ in targets]
        self._weights = [weight for _, weight in targets]
        self._current = [0] * len(targets)
        self._total = sum(self._weights)
        self.only = self._targets[0] if len(targets) == 1 else None

    def pick(self) -> T:
        """The next target."""
        if self.only is not None:
            return self.only
        current = self._current
        best = 0
        for at, weight in enumerate(self._weights):
            current[at] += weight
            if current[at] > current[best]:
                best = at
        current[best] -= self._total
        return self._targets[best]
