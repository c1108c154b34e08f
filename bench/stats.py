"""Medians, quartiles and the rule by which a ratio is void. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

VOID_SPREAD = 0.15
FULL_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and interquartile range of what several rounds gave."""

    median: float
    q1: float
    q3: float
    count: int

    @property
    def iqr(self) -> float:
        return self.q3 - self.q1

    @property
    def relative(self) -> float:
        return self.iqr / self.median if self.median else float("inf")

    @property
    def void(self) -> bool:
        return self.relative > VOID_SPREAD


def spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, q1, q3, len(values))


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    """Ratio within each round; a round that is void on either side (None) gives none."""
    pairs = zip(ours, theirs, strict=True)
    return [a / b for a, b in pairs if a is not None and b]


def ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Spread | None:
    return spread(ratios(ours, theirs))


def shown(found: Spread | None, digits: int = 2) -> str:
    """A ratio as the tables print it: `1.52 ±0.03`, where ± is half the interquartile range."""
    if found is None:
        return "–"
    if found.count == 1:
        return f"{found.median:.{digits}f} (one)"
    text = f"{found.median:.{digits}f} ±{found.iqr / 2:.{digits}f}"
    return f"void ({text})" if found.void else text
