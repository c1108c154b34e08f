"""Targets one after another, by weight."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.egress.balance.round_robin import RoundRobin


def picks(weights: list[int], count: int) -> list[int]:
    balance = RoundRobin(list(enumerate(weights)))
    return [balance.pick() for _ in range(count)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 40))
def test_any_run_as_long_as_the_weights_together_has_each_by_its_weight(weights, start):
    total = sum(weights)
    found = Counter(picks(weights, start + total)[start:])
    assert found == Counter(dict(enumerate(weights)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_heavy_target_does_not_come_all_at_once(weights):
    """The share of each target is never off by as much as one pick per other target."""
    total = sum(weights)
    seen: Counter[int] = Counter()
    for number, picked in enumerate(picks(weights, 2 * total), 1):
        seen[picked] += 1
        for target, weight in enumerate(weights):
            assert abs(seen[target] - number * weight / total) < len(weights)


def test_weights_are_spread_as_nginx_spreads_them():
    assert picks([5, 1, 1], 7) == [0, 0, 1, 0, 2, 0, 0]


def test_one_target_is_always_it():
    assert picks([3], 4) == [0, 0, 0, 0]


def test_no_target_is_a_mistake():
    with pytest.raises(ValueError, match="at least one target"):
        RoundRobin([])
