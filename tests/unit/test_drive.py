"""A driven coroutine goes on inside the call that brings what it waits for, and is cancelled where it stands."""

from __future__ import annotations

import asyncio

import pytest

from gwproxy.drive import Drive, Waiter, drive


class Run:
    """A Drive that remembers how its coroutine ended."""

    def __init__(self, coro) -> None:
        self.ends: list[BaseException | None] = []
        self.drive = Drive(coro, lambda _, error: self.ends.append(error))
        self.drive.start()


async def into(waiter: Waiter, heard: list[object]) -> None:
    heard.append(await waiter)


def test_coroutine_goes_on_inside_the_call_that_sets():
    waiter, heard = Waiter(), []
    run = Run(into(waiter, heard))
    assert (heard, run.drive.running) == ([], True)
    waiter.set(7)
    assert (heard, run.drive.running, run.ends) == ([7], False, [None])


def test_waiter_set_before_it_is_awaited_costs_no_wait():
    waiter, heard = Waiter(), []
    waiter.set(7)
    assert Run(into(waiter, heard)).ends == [None]
    assert heard == [7]


def test_waiter_may_be_awaited_again():
    waiter, heard = Waiter(), []
    waiter.set(7)
    Run(into(waiter, heard))
    Run(into(waiter, heard))
    assert heard == [7, 7]


@pytest.mark.parametrize("before", [True, False])
def test_failure_is_raised_where_it_is_awaited(before):
    waiter = Waiter()
    fault = ValueError("no")
    if before:
        waiter.fail(fault)
    run = Run(into(waiter, []))
    waiter.fail(fault)
    assert run.ends == [fault]


@pytest.mark.parametrize(
    ("first", "second"), [("set", "set"), ("set", "fail"), ("fail", "set"), ("fail", "fail")]
)
def test_only_the_first_news_counts(first, second):
    waiter, heard = Waiter(), []
    one, two = ValueError("1"), ValueError("2")
    getattr(waiter, first)(one)
    getattr(waiter, second)(two)
    run = Run(into(waiter, heard))
    assert (heard, run.ends) == (([one], [None]) if first == "set" else ([], [one]))


def test_coroutine_that_raises_tells_done_and_not_the_caller():
    fault = RuntimeError("oops")
    waiter = Waiter()

    async def fails() -> None:
        await waiter
        raise fault

    run = Run(fails())
    waiter.set()
    assert run.ends == [fault]


def test_many_waits_nest_no_deeper_than_one():
    """Each wait is a resume of its own: a thousand of them need no deeper stack."""
    waiters = [Waiter() for _ in range(5000)]
    heard: list[object] = []

    async def all_of_them() -> None:
        for waiter in waiters:
            heard.append(await waiter)

    run = Run(all_of_them())
    for n, waiter in enumerate(waiters):
        waiter.set(n)
    assert heard == list(range(5000))
    assert run.ends == [None]


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_cancelled_at_each_wait(stop):
    waiters = [Waiter(), Waiter(), Waiter()]
    steps: list[str] = []

    async def three() -> None:
        try:
            for n, waiter in enumerate(waiters):
                steps.append(f"wait {n}")
                await waiter
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise
        finally:
            steps.append("finally")

    run = Run(three())
    for waiter in waiters[:stop]:
        waiter.set()
    run.drive.cancel()
    assert steps == [*(f"wait {n}" for n in range(stop + 1)), "cancelled", "finally"]
    assert not run.drive.running
    assert [type(end) for end in run.ends] == [asyncio.CancelledError]
    for waiter in waiters:
        waiter.set()
    assert len(run.ends) == 1


def test_cancelled_coroutine_may_still_wait_in_its_finally():
    waiter, closing = Waiter(), Waiter()
    steps: list[object] = []

    async def careful() -> None:
        try:
            await waiter
        finally:
            steps.append("closing")
            steps.append(await closing)

    run = Run(careful())
    run.drive.cancel()
    assert (steps, run.ends) == (["closing"], [])
    waiter.set("too late")
    assert (steps, run.ends) == (["closing"], [])
    closing.set("closed")
    assert steps == ["closing", "closed"]
    assert [type(end) for end in run.ends] == [asyncio.CancelledError]


def test_coroutine_may_refuse_to_be_cancelled():
    waiter = Waiter()

    async def stubborn() -> None:
        try:
            await waiter
        except asyncio.CancelledError:
            return

    run = Run(stubborn())
    run.drive.cancel()
    assert run.ends == [None]


def test_cancelling_what_has_ended_does_nothing():
    waiter = Waiter()
    run = Run(into(waiter, []))
    waiter.set()
    run.drive.cancel()
    assert run.ends == [None]


def test_waiter_of_a_cancelled_drive_can_be_set_without_effect():
    waiter, heard = Waiter(), []
    run = Run(into(waiter, heard))
    run.drive.cancel()
    waiter.set(1)
    assert (heard, len(run.ends)) == ([], 1)


# -- with a loop


async def test_future_and_task_are_awaited_too():
    future = asyncio.get_running_loop().create_future()
    heard: list[object] = []

    async def both() -> None:
        heard.append(await future)
        heard.append(await asyncio.create_task(asyncio.sleep(0, "slept")))

    run = Run(both())
    future.set_result("came")
    while run.drive.running:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert heard == ["came", "slept"]
    assert run.ends == [None]


async def test_failed_future_is_raised_where_it_is_awaited():
    future = asyncio.get_running_loop().create_future()
    fault = ValueError("no")

    async def waits() -> None:
        await future

    run = Run(waits())
    future.set_exception(fault)
    await asyncio.sleep(0)
    assert run.ends == [fault]


async def test_cancelling_cancels_the_future_that_is_awaited():
    future = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        await future

    run = Run(waits())
    run.drive.cancel()
    assert future.cancelled()
    assert [type(end) for end in run.ends] == [asyncio.CancelledError]
    await asyncio.sleep(0)
    assert len(run.ends) == 1


async def test_future_that_somebody_else_cancels_is_a_cancellation():
    future = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        await future

    run = Run(waits())
    future.cancel()
    await asyncio.sleep(0)
    assert [type(end) for end in run.ends] == [asyncio.CancelledError]


async def test_bridge_gives_the_result_as_a_future():
    waiter = Waiter()

    async def twice() -> int:
        return 2 * await waiter

    future = drive(twice())
    waiter.set(21)
    assert future.done()
    assert await future == 42


async def test_bridge_gives_failures_and_cancellations():
    waiter = Waiter()

    async def waits() -> None:
        await waiter

    failed, cancelled = drive(waits()), asyncio.get_running_loop().create_future()
    waiter.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await failed
    left = drive(into(Waiter(), []))
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    cancelled.cancel()


async def test_cancelled_bridge_cancels_what_it_drives():
    ended: list[str] = []

    async def waits() -> None:
        try:
            await Waiter()
        finally:
            ended.append("finally")

    future = drive(waits())
    future.cancel()
    await asyncio.sleep(0)
    assert ended == ["finally"]
