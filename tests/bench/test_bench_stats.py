"""Ratios within rounds, and when they are void."""

import pytest

from bench.stats import ratio, ratios, shown, spread


def test_ratio_is_taken_within_each_round():
    found = ratio([10.0, 40.0, 30.0], [5.0, 20.0, 10.0])
    assert found is not None
    assert (found.median, found.count) == (2.0, 3)


def test_round_void_on_either_side_gives_no_ratio():
    assert ratios([10.0, None, 30.0, 8.0], [5.0, 20.0, None, 4.0]) == [2.0, 2.0]


def test_no_sound_round_gives_no_ratio():
    assert ratio([None], [1.0]) is None
    assert shown(None) == "–"


def test_rounds_that_do_not_pair_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_quartiles_over_seven_rounds():
    found = spread([1, 2, 3, 4, 5, 6, 7])
    assert found is not None
    assert (found.q1, found.median, found.q3, found.iqr) == (2.5, 4, 5.5, 3.0)


@pytest.mark.parametrize(("step", "void"), [(0.049, False), (0.051, True)])
def test_ratio_is_void_beyond_fifteen_percent(step: float, void: bool):
    # Over seven evenly spaced values the interquartile range is three steps.
    found = spread([1 + step * i for i in range(-3, 4)])
    assert found is not None
    assert found.void is void
    assert shown(found).startswith("void") is void


def test_one_round_has_no_spread_and_says_so():
    assert shown(spread([1.5])) == "1.50 (one)"
