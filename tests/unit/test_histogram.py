"""Buckets hold what they say, quantiles are as near as promised, and merging is adding up."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gwproxy.telemetry.histogram import LEAST_S, bounds, count, quantile
from gwproxy.telemetry.record import Counters, Timings
from gwproxy.telemetry.tally import Served, Tally, merged, parts, tally

durations = st.floats(LEAST_S, 1e5)


@given(durations)
def test_bucket_holds_what_is_counted_in_it_and_is_narrow(seconds: float) -> None:
    buckets: dict[int, int] = {}
    count(buckets, [seconds])
    [(bucket, times)] = buckets.items()
    low, high = bounds(bucket)
    assert times == 1
    assert low <= seconds < high
    assert high / low <= 1 + 1 / 8


@given(st.floats(-1, LEAST_S))
def test_what_takes_no_time_is_counted_as_the_least(seconds: float) -> None:
    buckets: dict[int, int] = {}
    count(buckets, [seconds])
    assert bounds(next(iter(buckets)))[0] == LEAST_S


@given(st.lists(durations, min_size=1), st.floats(0, 1))
def test_quantile_is_near_the_true_one(seconds: list[float], share: float) -> None:
    buckets: dict[int, int] = {}
    count(buckets, seconds)
    true = sorted(seconds)[max(math.ceil(share * len(seconds)) - 1, 0)]
    assert abs(quantile(buckets, share) - true) <= true / 16 + 1e-12


def test_quantile_of_nothing_is_nothing() -> None:
    assert quantile({}, 0.99) == 0.0


@given(st.lists(st.lists(st.tuples(st.sampled_from(["", "users", "orders"]), durations))))
def test_merging_workers_is_as_if_one_had_served_all(workers: list[list[tuple[str, float]]]) -> None:
    def counted(served: list[tuple[str, float]]) -> Counters:
        counters = Counters()
        for service, seconds in served:
            counters.by_service.setdefault(service, Timings()).totals.append(seconds)
        return counters

    together = merged(tally(counted(each)) for each in workers)
    alone = tally(counted([pair for each in workers for pair in each]))
    assert together == alone


@given(st.sets(st.text(max_size=3)), st.integers(1, 5))
def test_parts_are_small_and_together_the_whole(names: set[str], most: int) -> None:
    whole = Tally(exchanges=7, by_service={name: Served({1: 2}) for name in names})
    told = list(parts(whole, most))
    assert told
    assert all(part.exchanges == 7 and len(part.by_service) <= most for part in told)
    together: dict[str, Served] = {}
    for part in told:
        together |= part.by_service
    assert together == whole.by_service
