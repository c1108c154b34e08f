"""Idle connections of a worker that ends go to another one: not even a POST on a kept connection is lost."""

from __future__ import annotations

import os
import signal

from bench.callers import Callers
from tests.support.client import Client
from tests.support.command import workers_of
from tests.support.until import until

POST = b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


async def served(connect, port: int, count: int) -> list[Client]:
    """So many kept connections that have each had an answer."""
    kept = [await connect(port) for _ in range(count)]
    for caller in kept:
        assert (await caller.ask(POST)).status == 200
    return kept


async def test_worker_asked_to_end_gives_its_connections_to_the_others(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    kept = await served(connect, port, 40)
    victim, other = workers_of(gwproxy.folder)
    os.kill(victim, signal.SIGTERM)
    await process.says(rf"\(pid {victim}\) was asked to end; replaced at once")
    await until(lambda: victim not in workers_of(gwproxy.folder), 20)
    for caller in kept:
        answer = await caller.ask(POST)
        assert (answer.status, answer.will_close()) == (200, False)
    found = await gwproxy.until_serving(2)
    assert other in [worker["pid"] for worker in found["workers"]]
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 80)


async def test_request_that_nobody_has_read_yet_is_served_by_the_successor(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url, workers=1))
    kept = await connect(await process.port())
    assert (await kept.ask(POST)).status == 200
    [victim] = workers_of(gwproxy.folder)
    # It stands still while the request comes, and goes on only to be told to end.
    os.kill(victim, signal.SIGSTOP)
    await kept.send(POST)
    os.kill(victim, signal.SIGTERM)
    os.kill(victim, signal.SIGCONT)
    answer = await kept.read_answer()
    assert answer is not None
    assert answer.status == 200
    assert len(origin.seen) == 2


async def test_replacing_workers_under_load_loses_nothing(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url, drain="2s"))
    callers = Callers(await process.port())
    callers.start(kept=8, new=4)
    for _ in range(5):
        asked = callers.answered
        await until(lambda: callers.answered > asked + 20)  # noqa: B023 (awaited at once)
        victim, *_ = workers_of(gwproxy.folder)
        os.kill(victim, signal.SIGTERM)
        await until(lambda: victim not in workers_of(gwproxy.folder), 20)  # noqa: B023
        await gwproxy.until_serving(2)
    await callers.stop()
    assert callers.failures == []


async def test_fewer_workers_lose_no_connection(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url, workers=3))
    port = await process.port()
    kept = [await connect(port) for _ in range(60)]
    for caller in kept:
        await caller.ask(POST)
    write(origin.url, workers=1)
    assert (await gwproxy.told("reload"))[0] == 0
    await until(lambda: len(workers_of(gwproxy.folder)) == 1, 20)
    for caller in kept:
        assert (await caller.ask(POST)).status == 200


async def test_two_workers_that_end_at_once_lose_no_idle_connection(write, gwproxy, origin, connect):
    """Each is given what the other lets go of, and gives it back."""
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    kept = await served(connect, port, 60)
    for victim in workers_of(gwproxy.folder):
        os.kill(victim, signal.SIGTERM)
    await gwproxy.until_serving(2)
    for caller in kept:
        answer = await caller.ask(POST)
        assert (answer.status, answer.will_close()) == (200, False)


async def test_connections_given_to_a_worker_that_stands_still_and_dies_go_to_another(
    write, gwproxy, origin, connect
):
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    kept = await served(connect, port, 40)
    found = await gwproxy.until(lambda found: sum(each["connections"] for each in found["workers"]) == 40)
    still, leaving = found["workers"]
    os.kill(still["pid"], signal.SIGSTOP)
    os.kill(leaving["pid"], signal.SIGTERM)
    await process.says(rf"\(pid {leaving['pid']}\) was asked to end")
    await until(lambda: leaving["pid"] not in workers_of(gwproxy.folder), 20)
    os.kill(still["pid"], signal.SIGKILL)
    await gwproxy.until_serving(2)
    # Its own are lost with it, and only those.
    answered = 0
    for caller in kept:
        await caller.send(POST)
        answered += await caller.read_answer() is not None
    assert answered == leaving["connections"]
