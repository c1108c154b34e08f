"""Durations in log-linear buckets: eight to each power of two, so that a quantile is off by 6 % at the most.

A bucket is a key in a dict, made when it is first needed; counting is one integer addition, and merging is adding up.
The way is that of HdrHistogram (Tene, 2012) with three significant bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import frexp, ldexp
from typing import Final

Buckets = dict[int, int]
"""Bucket → how many."""

PARTS: Final = 8
LEAST_S: Final = 2.0**-20
"""One microsecond: clocks have no finer news of a request, and nothing takes no time at all."""


def count(buckets: Buckets, durations: Iterable[float]) -> None:
    """Count durations, each in seconds."""
    for seconds in durations:
        mantissa, exponent = frexp(seconds if seconds > LEAST_S else LEAST_S)
        key = (exponent << 3) + int(mantissa * 16)
        try:
            buckets[key] += 1
        except KeyError:
            buckets[key] = 1


def bounds(bucket: int) -> tuple[float, float]:
    """The shortest duration of a bucket, and the shortest that is too long for it; seconds."""
    exponent, part = divmod(bucket - PARTS, PARTS)
    return ldexp(PARTS + part, exponent - 4), ldexp(PARTS + part + 1, exponent - 4)


def quantile(buckets: Mapping[int, int], share: float) -> float:
    """The duration that `share` (0 to 1) of all do not exceed, in seconds: the middle of its bucket; 0 for none."""
    rank = share * sum(buckets.values())
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank and buckets[bucket]:
            low, high = bounds(bucket)
            return (low + high) / 2
    return 0.0
