"""Work that holds the loop takes turns: one piece in each."""

from __future__ import annotations

import asyncio

from gwproxy.drive import Drive, Turns, drive


async def took(turns: Turns, clock: list[int], told: list[tuple[str, int]], name: str) -> None:
    await turns.mine()
    told.append((name, clock[0]))


def ticking(clock: list[int], count: int) -> None:
    """Counts the loop's turns."""
    clock[0] += 1
    if clock[0] < count:
        asyncio.get_running_loop().call_soon(ticking, clock, count)


async def test_each_turn_has_one_and_they_come_in_order():
    turns, clock, told = Turns(), [0], []
    ticking(clock, 50)
    waiting = [drive(took(turns, clock, told, name)) for name in "abcde"]
    # The first had this turn.
    assert [name for name, _ in told] == ["a"]
    await asyncio.gather(*waiting)
    assert [name for name, _ in told] == list("abcde")
    at = [turn for _, turn in told]
    assert len(set(at)) == 5


async def test_who_asks_only_is_told_whether_the_turn_is_free():
    turns = Turns()
    assert turns.take()
    assert not turns.take()
    await asyncio.sleep(0)
    assert turns.take()


async def test_who_waits_comes_before_who_asks_later():
    turns, clock, told = Turns(), [0], []
    turns.take()
    waiting = [drive(took(turns, clock, told, name)) for name in "ab"]
    tries = 0
    while len(told) < 2:
        assert not turns.take()
        tries += 1
        await asyncio.sleep(0)
    assert tries >= 2
    await asyncio.gather(*waiting)


async def test_who_has_left_takes_no_turn():
    turns, clock, told = Turns(), [0], []
    turns.take()
    gone = [Drive(took(turns, clock, told, name), lambda result, error: None) for name in "abc"]
    for each in gone:
        each.start()
    last = drive(took(turns, clock, told, "d"))
    for each in gone:
        each.cancel()
    ticking(clock, 50)
    await last
    # In the very next turn, though three were before it.
    assert told == [("d", 1)]
    assert [each.running for each in gone] == [False] * 3
