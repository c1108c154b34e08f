"""Workers share the listeners; one that ends takes only its own requests with it, and is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from bench.callers import Callers
from tests.support.command import WITHIN_S, workers_of
from tests.support.scripted import send, take_request, tell, wait_for
from tests.support.until import until

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_both_workers_serve_and_status_tells_of_them(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    for _ in range(40):
        # One after the other: a burst may well be one worker's, who has woken first.
        assert (await (await connect(port)).ask(GET % b"x")).status == 200
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 40)
    found = await gwproxy.status()
    shares = [worker["connections"] for worker in found["workers"]]
    assert sum(shares) == 40
    assert min(shares) > 0
    assert [worker["state"] for worker in found["workers"]] == ["serving", "serving"]
    assert found["listeners"] == [f"http://127.0.0.1:{port}"]
    assert found["tally"]["by_status"] == {"200": 40}


async def test_connections_are_spread_evenly(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    shares = [0, 0]
    # A worker that this machine keeps from running for 0.3 s is left out of the count, and the others take all.
    for _ in range(3):
        callers = []
        for _ in range(200):
            # One after the other, as callers come: the kernel alone would give them to whoever woke first.
            callers.append(await connect(port))
            await callers[-1].ask(GET % b"mark")
        found = await gwproxy.until(lambda found: sum(each["connections"] for each in found["workers"]) == 200)
        shares = [worker["connections"] for worker in found["workers"]]
        if max(shares) <= 1.5 * min(shares):
            break
        for caller in callers:
            caller.close()
        await gwproxy.until(lambda found: not sum(each["connections"] for each in found["workers"]))
    assert max(shares) <= 1.5 * min(shares)


async def test_killed_worker_takes_only_its_own_requests_and_is_replaced(write, gwproxy, scripted, connect):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted(*[[take_request(), tell(asked), wait_for(answer), send(OK)]] * 2)
    process = await gwproxy("run", write(slow.url))
    port = await process.port()
    victim, *_ = workers_of(gwproxy.folder)
    # One request under way on each worker: connections until both have one.
    pending = [await connect(port) for _ in range(2)]
    await pending[0].send(GET % b"slow")
    await asyncio.wait_for(asked.wait(), 5)
    kept = [await connect(port) for _ in range(8)]
    for caller in kept:
        assert (await caller.ask(GET % b"mark")).status == 200
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    await process.says(rf"worker \d \(pid {victim}\) ended: signal SIGKILL; replaced at once")
    # New connections are served all the while.
    for _ in range(20):
        caller = await connect(port)
        assert (await caller.ask(GET % b"mark")).status == 200
    await until(lambda: len(workers_of(gwproxy.folder)) == 2)
    await gwproxy.until_serving(2)
    assert time.monotonic() - began < 10, "a second is the aim; this is a busy machine's"
    answer.set()


async def test_frozen_worker_delays_nobody_and_is_replaced(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    victim, *_ = workers_of(gwproxy.folder)
    os.kill(victim, signal.SIGSTOP)
    callers = Callers(port)
    callers.start(new=4)
    await process.says(rf"worker \d \(pid {victim}\) has not been heard of")
    await process.says(rf"worker \d \(pid {victim}\) ended: signal SIGKILL; replaced at once")
    await gwproxy.until_serving(2)
    await callers.stop()
    assert callers.answered > 100
    assert callers.failures == []
    assert callers.slowest_s < 1.5


async def test_worker_whose_loop_is_blocked_tells_where(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url, workers=1))
    await process.port()
    [victim] = workers_of(gwproxy.folder)
    os.kill(victim, signal.SIGABRT)
    await process.says("Fatal Python error: Aborted")
    await process.says(r'File ".*child\.py", line \d+ in main')
    await process.says("replaced at once")


async def test_counters_never_fall_when_a_worker_is_replaced(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url, workers=1))
    port = await process.port()
    caller = await connect(port)
    for _ in range(5):
        await caller.ask(GET % b"mark")
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 5)
    os.kill(workers_of(gwproxy.folder)[0], signal.SIGKILL)
    await process.says("replaced at once")
    await gwproxy.until_serving(1)
    assert (await (await connect(port)).ask(GET % b"mark")).status == 200
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 6)


async def test_worker_that_ends_again_and_again_is_replaced_ever_later(write, gwproxy):
    process = await gwproxy("run", write(workers=1))
    await process.port()
    delays = []
    for _ in range(3):
        await gwproxy.until_serving(1)
        os.kill(workers_of(gwproxy.folder)[0], signal.SIGKILL)
        delays.append((await process.says("replaced (at once|in [0-9.]+ s)"))[1])
    assert delays == ["at once", "in 0.5 s", "in 1 s"]


async def test_supervisor_killed_leaves_no_orphan_and_no_taken_port(write, gwproxy, scripted, connect):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted([take_request(), tell(asked), wait_for(answer), send(OK)])
    process = await gwproxy("run", write(slow.url))
    port = await process.port()
    caller = await connect(port)
    await caller.send(GET % b"slow")
    await asyncio.wait_for(asked.wait(), 5)
    process.signal(signal.SIGKILL)
    await until(lambda: len(workers_of(gwproxy.folder)) <= 1, WITHIN_S, "the idle worker has ended")
    # What was under way is finished all the same, and the port is free for the next.
    answer.set()
    assert (await caller.read_answer()).status == 200
    again = await gwproxy("run", write(slow.url, port=port))
    assert await again.port() == port


async def test_no_worker_at_all_is_one_clear_line_and_an_end(write, gwproxy):
    process = await gwproxy("run", write(), environ=[("GWPROXY_TEST", "1"), ("PYTHONHASHSEED", "wrong")])
    code, _, err = await process.end()
    assert code == 1
    assert "PYTHONHASHSEED" in err


async def test_workers_that_cannot_be_started_are_told_and_tried_again(write, gwproxy, origin, connect):
    """Two descriptors of the supervisor's a worker: for some of these there are none."""
    process = await gwproxy("run", write(origin.url, workers=12), before=("prlimit", "--nofile=32:32"))
    await process.says(r"worker \d+: a worker process cannot be started: Too many open files")
    port = await process.port()
    assert (await (await connect(port)).ask(GET % b"mark")).status == 200
    await process.says(r"worker \d+: a worker process cannot be started: Too many open files")
    # With fewer wanted there is room again, for an order to reload and for a successor.
    write(origin.url, workers=2)
    process.signal(signal.SIGHUP)
    await process.says("reloaded")
    await gwproxy.until_serving(2)
    os.kill(workers_of(gwproxy.folder)[0], signal.SIGKILL)
    await process.says("replaced at once")
    await gwproxy.until_serving(2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_worker_asked_to_end_by_itself_is_replaced_without_a_loss(number, write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url, drain="2s"))
    port = await process.port()
    callers = Callers(port)
    callers.start(kept=4, new=4)
    await until(lambda: callers.answered > 50)
    victim, *_ = workers_of(gwproxy.folder)
    os.kill(victim, number)
    if number == signal.SIGTERM:
        await process.says(rf"pid {victim}\) was asked to end; replaced at once")
        await gwproxy.until_serving(2)
    await callers.stop()
    assert callers.failures == []


async def test_worker_that_stands_still_does_not_hold_up_the_end(write, gwproxy):
    process = await gwproxy("run", write(drain="60s"))
    await process.port()
    os.kill(workers_of(gwproxy.folder)[0], signal.SIGSTOP)
    process.signal(signal.SIGTERM)
    # Two seconds and a bit until it is found stuck; without that, the whole drain.
    code, _, err = await process.end()
    assert code == 0
    assert "has not been heard of" in err
    assert "stopped, 0 connections cut off" in err
