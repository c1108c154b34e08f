"""Each kind of limit against a list of all that was ever allowed: what it promises, whatever the schedule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.limits.hard import Hard
from gwproxy.limits.level import STRANGERS
from gwproxy.limits.memory import KINDS
from gwproxy.limits.quota import period_of
from gwproxy.limits.shared import Shared
from gwproxy.limits.spec import SUBWINDOWS, Kind, LimitSpec

START = 1_790_000_000_000_000
SECOND = 1_000_000


def level(kind: Kind, requests: int, window_us: int, most: int = 1000) -> Any:
    return KINDS[kind](LimitSpec("k", "n", kind, requests, window_us, "principal", told=True), most)


def ask(one: Any, now: int, who: str = "a") -> int:
    """What one request of `who` has to wait; 0 where it was allowed."""
    left: int = one.enter(who, now)
    assert left < 0 or left == one.left()
    return max(-left, 0)


# Bursts, pauses around a window's length, and single microseconds.
gaps = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 30), st.integers(90, 110), st.integers(0, 400))


@given(st.integers(1, 12), st.lists(gaps, max_size=120))
def test_exact_is_what_a_list_of_all_times_says(requests: int, schedule: list[int]):
    window, now, one, allowed = 100, START, level("exact", requests, 100), []
    for gap in schedule:
        now += gap
        counted = [at for at in allowed if now - at < window]
        wait = ask(one, now)
        if len(counted) < requests:
            assert wait == 0
            allowed.append(now)
            assert one.left() == requests - len(counted) - 1
            assert one.renews(now) == (counted[0] if counted else now) + window - now
        else:
            assert wait == counted[-requests] + window - now
            assert one.left() == 0
    for begin in allowed:
        assert len([at for at in allowed if begin <= at < begin + window]) <= requests


@given(st.integers(1, 12), st.lists(gaps, max_size=120))
def test_hard_holds_in_every_window_and_gives_away_the_oldest_part_only(requests: int, schedule: list[int]):
    window, now, one, allowed = 120, START, level("hard", requests, 120), []
    part = -(-window // SUBWINDOWS)
    for gap in schedule:
        now += gap
        wait = ask(one, now)
        first = (now // part - SUBWINDOWS) * part
        counted = [at for at in allowed if at >= first]
        assert (wait == 0) == (len(counted) < requests)
        if wait == 0:
            allowed.append(now)
    for begin in allowed:
        assert len([at for at in allowed if begin <= at < begin + window]) <= requests


@given(st.integers(1, 12), st.integers(1, 300), st.lists(gaps, max_size=120))
def test_bucket_gives_what_it_holds_and_its_rate(requests: int, window: int, schedule: list[int]):
    now, one, allowed = START, level("bucket", requests, window), []
    step = -(-window // requests)
    full = START
    for gap in schedule:
        now += gap
        full = max(full, now)
        wait = ask(one, now)
        assert wait == max(full + step - requests * step - now, 0)
        if wait == 0:
            allowed.append(now)
            full += step
        assert one.left() == (requests * step - (full - now)) // step
    for first, begin in enumerate(allowed):
        for last, end in enumerate(allowed[first:], first):
            assert last - first + 1 <= requests + (end - begin) * requests / window


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket", "day", "month"])
@given(st.integers(1, 6), st.lists(gaps, min_size=1, max_size=60))
def test_waiting_is_enough_and_a_microsecond_less_is_not(kind: Kind, requests: int, schedule: list[int]):
    now, one = START, level(kind, requests, 100)
    for gap in schedule:
        now += gap
        wait = ask(one, now)
        if wait:
            assert one.look("a", now + wait - 1) > 0
            assert one.look("a", now + wait) == 0
            # To look changes nothing but what is forgotten as time goes on.
            now += wait


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket"])
@given(st.lists(st.tuples(gaps, st.sampled_from("abc")), max_size=80))
def test_callers_do_not_see_one_another(kind: Kind, schedule: list[tuple[int, str]]):
    together, apart = level(kind, 3, 100), {who: level(kind, 3, 100) for who in "abc"}
    now = START
    for gap, who in schedule:
        now += gap
        assert ask(together, now, who) == ask(apart[who], now, who)


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket"])
def test_what_nobody_uses_is_forgotten(kind: Kind):
    one = level(kind, 3, 100)
    for number in range(50):
        ask(one, START + number, f"w{number}")
    assert len(one) == 50
    for turn in (1, 2, 3):
        ask(one, START + turn * 1000, "other")
    assert len(one) == 1
    assert sum(one.sweep(7) for _ in range(20)) >= 50
    assert one.sweep(7) == 0


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket", "day"])
def test_table_is_bounded_and_lets_nobody_in_early(kind: Kind):
    one = level(kind, 2, 10_000_000, most=20)
    for _ in range(2):
        assert ask(one, START, "over") == 0
    for number in range(500):
        ask(one, START + number, f"w{number}")
        assert len(one) <= 21
        assert one.look("over", START + number) > 0


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket", "day"])
def test_who_came_first_is_forgotten_first(kind: Kind):
    one = level(kind, 2, 10_000_000, most=20)
    for number in range(35):
        ask(one, START + number, f"w{number}")
    assert [one.known(f"w{number}") is not None for number in range(35)] == [False] * 15 + [True] * 20


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket", "day"])
def test_when_all_that_are_known_are_being_refused_others_share_one_limit(kind: Kind):
    one = level(kind, 1, 10_000_000, most=20)
    for number in range(20):
        assert ask(one, START, f"w{number}") == 0
    assert [ask(one, START + 1, f"x{number}") > 0 for number in range(40)] == [False] + [True] * 39
    assert one.known(STRANGERS) is not None
    assert len(one) == 21
    assert all(one.look(f"w{number}", START + 2) for number in range(20))


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket"])
def test_strangers_come_in_once_a_window_however_often_room_is_made(kind: Kind):
    window, most = 12_000_000, 8
    one, let_in = level(kind, 1, window, most), dict[str, int]()
    for step in range(600):
        now, who = START + step * 110_000, f"w{step % 37}"
        if ask(one, now, who) == 0:
            assert now - let_in.get(who, 0) >= window
            let_in[who] = now
    assert len(let_in) > most


@pytest.mark.parametrize(("before", "after", "left"), [((600, 50), (60, 50), 0), ((60, 50), (600, 50), 44)])
def test_permits_that_a_bucket_gave_count_under_another_rate(before: Any, after: Any, left: int):
    (slow, holds), (fast, _) = before, after
    one = level("bucket", holds, 60 * SECOND * holds // slow)
    for _ in range(holds if left == 0 else 6):
        assert ask(one, START) == 0
    other = level("bucket", holds, 60 * SECOND * holds // fast)
    other.follow(one)
    other.look("a", START)
    assert other.left() == left


def test_who_waits_as_long_as_a_changed_bucket_says_is_let_in():
    slow, fast = level("bucket", 10, 100 * SECOND), level("bucket", 10, SECOND)
    for _ in range(10):
        assert ask(slow, START) == 0
    fast.follow(slow)
    wait = ask(fast, START)
    assert wait == SECOND // 10
    assert ask(fast, START + wait) == 0


def test_smaller_limit_holds_at_once_and_a_larger_one_knows_what_was():
    before = level("exact", 10, 100)
    for number in range(10):
        ask(before, START + number)
    smaller, larger = level("exact", 4, 100), level("exact", 12, 100)
    smaller.follow(before)
    larger.follow(before)
    # Six of ten leave before there are less than four.
    assert smaller.look("a", START + 10) == 6 + 100 - 10
    assert [larger.look("a", START + 10), larger.left()] == [0, 2]


@pytest.mark.parametrize(
    ("kind", "moment", "begin", "end"),
    [
        ("day", "2026-02-28T23:59:59", "2026-02-28", "2026-03-01"),
        ("day", "2028-02-28T00:00:00", "2028-02-28", "2028-02-29"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2026-01-31T12:00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_periods_are_the_calendars(kind: Kind, moment: str, begin: str, end: str):
    from datetime import UTC, datetime

    def us(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND

    assert period_of(kind, us(moment)) == (us(begin), us(end))


def test_quota_begins_anew_with_its_period():
    one = level("day", 2, 86_400 * SECOND)
    begin, end = period_of("day", START)
    assert [ask(one, end - 3), ask(one, end - 2), ask(one, end - 1)] == [0, 0, 1]
    assert [ask(one, end), one.left(), one.renews(end)] == [0, 1, 86_400 * SECOND]


@given(st.integers(1, 12), st.lists(gaps, max_size=120))
def test_window_of_everybody_is_the_window_of_one(requests: int, schedule: list[int]):
    spec = LimitSpec("k", "n", "hard", requests, 120)
    shared, hard, now = Shared(spec), Hard(spec), START
    for gap in schedule:
        now += gap
        assert shared.enter("", now) == hard.enter("", now)
        assert shared.renews(now) == hard.renews(now)
        assert shared.look("", now) == hard.look("", now)


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket", "day", "shared"])
@given(st.integers(1, 6), st.lists(st.tuples(gaps, st.booleans()), max_size=80))
def test_permit_given_back_was_never_taken(kind: str, requests: int, schedule: list[tuple[int, bool]]):
    if kind == "shared":
        spec = LimitSpec("k", "n", "hard", requests, 100)
        disturbed, other = Shared(spec), Shared(spec)
    else:
        disturbed, other = (level(kind, requests, 100) for _ in range(2))  # type: ignore[arg-type]
    now = START
    for gap, stays in schedule:
        now += gap
        if stays:
            assert disturbed.enter("a", now) == other.enter("a", now)
        elif disturbed.enter("a", now) >= 0:
            disturbed.leave()
        assert disturbed.look("a", now) == other.look("a", now)
        assert disturbed.left() == other.left()
        assert disturbed.renews(now) == other.renews(now)


def test_longer_window_knows_who_came_before_it():
    before, longer = level("exact", 1, 100), level("exact", 1, 1000)
    # Now it is among those who were there before the last turn.
    assert [ask(before, START), ask(before, START + 150, "b")] == [0, 0]
    longer.follow(before)
    assert ask(longer, START + 300) == 700


@pytest.mark.parametrize("window", [6_000, 600])
def test_hard_limit_of_another_window_locks_nobody_out(window: int):
    before, after = level("hard", 2, 60_000), level("hard", 2, window)
    assert [ask(before, START), ask(before, START)] == [0, 0]
    after.follow(before)
    assert [ask(after, START + 1), ask(after, START + 1)] == [0, 0]
    assert 0 < ask(after, START + 1) <= window * 2
