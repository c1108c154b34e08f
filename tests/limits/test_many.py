"""A hundred thousand random schedules, limits changing on the way: no window ever holds more than its limit."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gwproxy.limits.memory import KINDS
from gwproxy.limits.spec import Kind, LimitSpec

SCHEDULES = 100_000
STEPS = 24
WINDOW = 60


def changed(one: Any, kind: Kind, requests: int) -> Any:
    """As a reload does it."""
    other = KINDS[kind](LimitSpec("k", "n", kind, requests, WINDOW, "principal", told=True))
    other.follow(one)
    return other


@pytest.mark.full
@pytest.mark.parametrize("kind", ["exact", "hard"])
def test_no_window_of_any_schedule_holds_more_than_its_limit(kind: Kind):
    chance = random.Random(20261127)
    for _ in range(SCHEDULES // 2):
        requests, now = chance.randint(1, 5), 1_790_000_000_000_000
        one = KINDS[kind](LimitSpec("k", "n", kind, requests, WINDOW, "principal", told=True))
        allowed: list[int] = []
        for _ in range(STEPS):
            now += chance.choice((0, 0, 1, 2, 7, 13, 59, 60, 61))
            if chance.random() < 0.05:
                requests = chance.randint(1, 5)
                one = changed(one, kind, requests)
            inside = sum(now - at < WINDOW for at in allowed)
            let_in = one.enter("a", now) >= 0
            if kind == "exact":
                assert let_in == (inside < requests)
            else:
                assert not let_in or inside < requests
            if let_in:
                allowed.append(now)
