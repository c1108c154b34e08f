"""The wheel of deadlines: never early, at most a tick late, whatever was set before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.deadlines import NEVER, TICK_S, Wheel


class Thing:
    """Something with a deadline, which remembers when it was told of it."""

    def __init__(self, wheel: Wheel) -> None:
        self.due = NEVER
        self.filed = NEVER
        self.wheel = wheel
        self.told: list[float] = []
        self.then: Callable[[Thing], None] | None = None

    def expired(self, now: float) -> None:
        assert now == self.wheel.clock()
        assert self.due == NEVER
        self.told.append(now)
        if self.then is not None:
            self.then(self)


class Clock:
    def __init__(self, start: float = 1000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


def in_a_loop(run: Callable[[Clock, Wheel], None]) -> None:
    """The wheel wants a loop for its timer; the clock is ours, and so are the sweeps."""

    async def go() -> None:
        clock = Clock()
        wheel = Wheel(clock)
        run(clock, wheel)
        wheel.close()

    asyncio.run(go())


delays = st.floats(-0.1, 1.0) | st.sampled_from([0.0, TICK_S, 2 * TICK_S, 5.0, NEVER])
steps = st.lists(
    st.tuples(st.just("set"), st.integers(0, 3), delays)
    | st.tuples(st.just("pass"), st.just(0), st.floats(0, 0.3)),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_nothing_expires_early_nor_more_than_a_tick_late(found):
    def run(clock: Clock, wheel: Wheel) -> None:
        things = [Thing(wheel) for _ in range(4)]
        wanted = [NEVER] * 4
        # What is due already when it is set has a tick from there.
        latest = [NEVER] * 4
        for what, which, seconds in found:
            if what == "set":
                wanted[which] = clock.now + seconds
                latest[which] = max(clock.now, wanted[which]) + TICK_S + 1e-6
                wheel.set(things[which], wanted[which])
                continue
            clock.now += seconds
            wheel.sweep()
            for n, thing in enumerate(things):
                if thing.told:
                    assert thing.told == [clock.now]
                    assert wanted[n] <= clock.now
                    wanted[n] = latest[n] = NEVER
                    thing.told.clear()
                assert clock.now < latest[n], "should have been told"

    in_a_loop(run)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=10))
def test_swept_each_tick_all_expire_within_a_tick(found):
    def run(clock: Clock, wheel: Wheel) -> None:
        start = clock.now
        things = [Thing(wheel) for _ in found]
        for thing, delay in zip(things, found, strict=True):
            wheel.set(thing, start + delay)
        for _ in range(160):
            clock.now += TICK_S
            wheel.sweep()
        for thing, delay in zip(things, found, strict=True):
            assert len(thing.told) == 1
            assert start + delay <= thing.told[0] <= start + delay + 2 * TICK_S + 1e-6

    in_a_loop(run)


def test_later_deadline_takes_the_place_of_an_earlier():
    def run(clock: Clock, wheel: Wheel) -> None:
        thing = Thing(wheel)
        wheel.set(thing, clock.now + 1)
        wheel.set(thing, clock.now + 2)
        clock.now += 1.5
        wheel.sweep()
        assert thing.told == []
        clock.now += 1
        wheel.sweep()
        assert len(thing.told) == 1

    in_a_loop(run)


def test_earlier_deadline_takes_the_place_of_a_later():
    def run(clock: Clock, wheel: Wheel) -> None:
        thing = Thing(wheel)
        wheel.set(thing, clock.now + 2)
        wheel.set(thing, clock.now + 1)
        clock.now += 1.5
        wheel.sweep()
        clock.now += 1.5
        wheel.sweep()
        assert len(thing.told) == 1

    in_a_loop(run)


def test_due_may_be_moved_by_assignment_alone():
    def run(clock: Clock, wheel: Wheel) -> None:
        thing = Thing(wheel)
        wheel.set(thing, clock.now + 1)
        thing.due = clock.now + 3
        clock.now += 2
        wheel.sweep()
        assert thing.told == []
        thing.due = NEVER
        clock.now += 2
        wheel.sweep()
        assert thing.told == []

    in_a_loop(run)


def test_expired_thing_may_set_itself_again():
    def run(clock: Clock, wheel: Wheel) -> None:
        thing = Thing(wheel)
        thing.then = lambda thing: wheel.set(thing, clock.now + 1)
        wheel.set(thing, clock.now + 1)
        for _ in range(4):
            clock.now += 1.1
            wheel.sweep()
        assert len(thing.told) == 4

    in_a_loop(run)


@pytest.mark.parametrize(
    "due", [NEVER, float("inf"), NEVER + 5], ids=["NEVER", "another inf", "later than never"]
)
def test_never_is_never(due):
    def run(clock: Clock, wheel: Wheel) -> None:
        thing = Thing(wheel)
        wheel.set(thing, due)
        clock.now += 10**6
        wheel.sweep()
        assert thing.told == []

    in_a_loop(run)


def test_long_pause_of_the_process_tells_all_at_once():
    def run(clock: Clock, wheel: Wheel) -> None:
        things = [Thing(wheel) for _ in range(3)]
        for n, thing in enumerate(things):
            wheel.set(thing, clock.now + n)
        clock.now += 10**7
        wheel.sweep()
        assert [len(thing.told) for thing in things] == [1, 1, 1]

    in_a_loop(run)


def test_closed_wheel_forgets():
    def run(clock: Clock, wheel: Wheel) -> None:
        thing = Thing(wheel)
        wheel.set(thing, clock.now + 1)
        wheel.close()
        clock.now += 2
        wheel.sweep()
        assert thing.told == []

    in_a_loop(run)


async def test_loop_turns_the_wheel():
    wheel = Wheel()
    thing = Thing(wheel)
    thing.expired = lambda now: thing.told.append(now)  # type: ignore[method-assign]  # the clock moves on here
    due = wheel.clock() + 0.05
    wheel.set(thing, due)
    async with asyncio.timeout(5):
        while not thing.told:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert thing.told[0] >= due
    wheel.close()
