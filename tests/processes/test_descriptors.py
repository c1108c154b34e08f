"""At the limit of descriptors callers wait in the listening queue; nobody is reset, and who is in goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal

import pytest

from tests.support.client import Client, connect
from tests.support.command import workers_of

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
LIMIT = 128
PRLIMIT = ("prlimit", f"--nofile={LIMIT}:{LIMIT}")


@pytest.fixture
async def callers():
    """Callers that are closed in the end."""
    opened: list[Client] = []
    yield opened
    for each in opened:
        each.close()


async def test_more_callers_than_descriptors_wait_and_are_served_in_the_end(write, gwproxy, origin, callers):
    process = await gwproxy("run", write(origin.url, workers=1), before=PRLIMIT)
    port = await process.port()
    [worker] = workers_of(gwproxy.folder)
    # All of them are there when it next looks: it must not take them in one go.
    os.kill(worker, signal.SIGSTOP)
    for _ in range(2 * LIMIT):
        callers.append(await connect(port))
    os.kill(worker, signal.SIGCONT)
    found = await gwproxy.until(lambda found: found["workers"][0]["short"])
    assert found["descriptors"] == LIMIT
    assert 0 < found["workers"][0]["connections"] < LIMIT
    # Who is in is served, and there are descriptors for the service too.
    assert (await callers[0].ask(GET % b"x")).status == 200
    waiting = callers[-1]
    await waiting.send(GET % b"x")
    for each in callers[:-1]:
        each.close()
    answer = await waiting.read_answer()
    assert answer is not None
    assert answer.status == 200
    await gwproxy.until(lambda found: not found["workers"][0]["short"])
    await gwproxy.until(lambda found: found["tally"]["by_status"] == {"200": 2})


async def test_waiting_costs_no_processor_time(write, gwproxy, origin, callers):
    process = await gwproxy("run", write(origin.url, workers=1), before=PRLIMIT)
    port = await process.port()
    for _ in range(2 * LIMIT):
        callers.append(await connect(port))
    await gwproxy.until(lambda found: found["workers"][0]["short"])
    [worker] = workers_of(gwproxy.folder)
    before = ticks(worker)
    await asyncio.sleep(1)
    assert ticks(worker) - before < 50, "half of a second of processor time would be a loop that turns in vain"


async def test_soft_limit_is_raised_and_reported_and_a_bound_out_of_reach_is_told(write, gwproxy):
    assert shutil.which("prlimit")
    process = await gwproxy("run", write(workers=1), before=("prlimit", "--nofile=256:2048"))
    await process.says("2048 descriptors a process, raised from 256")
    await process.says("gateway.max_connections of 10000 cannot be had with 2048 descriptors")
    await process.port()
    [worker] = workers_of(gwproxy.folder)
    assert nofile(worker) == ["2048", "2048"]


def nofile(pid: int) -> list[str]:
    """A process's limits of descriptors, the soft one and the hard one."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        return next(line.split()[3:5] for line in limits if line.startswith("Max open files"))


def ticks(pid: int) -> int:
    """Hundredths of a second of processor time that a process has had."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
