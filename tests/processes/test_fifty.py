"""Fifty reloads, replacements, upgrades and restarts under load, with not one request lost.

Too long for every run: marked `full`. Speeds are not asserted here; `python -m bench reload` measures them.
"""

from __future__ import annotations

import os
import random
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from bench.callers import Callers
from tests.support.command import workers_of
from tests.support.origin import Origin
from tests.support.until import until

pytestmark = pytest.mark.full

TIMES = 50
REQUESTS = 100_000
PATIENCE_S = 300.0
LOAD = {"kept": 24, "new": 8, "streams": 6}
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
async def streaming(origin: Origin) -> Origin:
    """Answers at once, but for event streams, which begin and never end."""

    def answer(request) -> bytes:
        event = b"data: x\n\n"
        return EVENTS + b"%x\r\n%b\r\n" % (len(event), event) if request.target == b"/events" else OK

    origin.answer(answer)
    return origin


def resident_kib(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total


def serving(found: Any) -> list[int]:
    """The workers that serve: those that drain have been asked to end already."""
    return [worker["pid"] for worker in found["workers"] if worker["state"] == "serving"]


def descriptors(pids: list[int]) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def inherit(file: Path) -> None:
    """Have the file listen on the socket that is handed over."""
    file.write_text(file.read_text().replace('["127.0.0.1:0"]', '["fd:http"]'))


async def test_reloads_fail_no_request_close_no_connection_and_leave_nothing(write, gwproxy, streaming):
    process = await gwproxy("run", write(streaming.url))
    callers = Callers(await process.port())
    callers.start(**LOAD)
    everybody = [process.process.pid, *workers_of(gwproxy.folder)]
    await until(lambda: callers.answered > 2000, 60)
    level = (0, 0)
    for number in range(TIMES):
        write(streaming.url, mark=f"mark {number}", gateway=f"max_connections = {1000 + number}")
        process.signal(signal.SIGHUP)
        await process.says("reloaded ")
        asked = callers.answered
        await until(lambda: callers.answered > asked + 500, 60)  # noqa: B023 (awaited at once)
        if number == 9:
            level = descriptors(everybody), resident_kib(everybody)
    assert callers.failures == []
    assert callers.reconnected == 0
    assert callers.streams_ended == 0
    assert callers.events >= LOAD["streams"]
    # The same processes, with what they had after the tenth: descriptors of pools may come and go.
    assert [process.process.pid, *workers_of(gwproxy.folder)] == everybody
    assert abs(descriptors(everybody) - level[0]) < 64
    assert resident_kib(everybody) - level[1] < 16 * 1024
    await callers.stop()
    assert (await gwproxy.status())["generation"] == TIMES + 1


async def test_workers_replaced_one_after_another_lose_nothing(write, gwproxy, streaming):
    process = await gwproxy("run", write(streaming.url, drain="2s"))
    callers = Callers(await process.port())
    callers.start(**LOAD)
    chosen = random.Random(7)
    for _ in range(TIMES):
        asked = callers.answered
        found = await gwproxy.until(lambda found: len(serving(found)) == 2)
        os.kill(chosen.choice(serving(found)), signal.SIGTERM)
        await process.says("was asked to end; replaced at once")
        await until(lambda: callers.answered > asked + REQUESTS // TIMES, PATIENCE_S)  # noqa: B023
    await callers.stop()
    assert callers.failures == []
    assert callers.answered >= REQUESTS


async def test_upgrades_one_after_another_lose_nothing(write, gwproxy, streaming):
    process = await gwproxy("run", write(streaming.url, drain="2s"))
    callers = Callers(await process.port())
    callers.start(**LOAD)
    for _ in range(TIMES):
        asked = callers.answered
        process.signal(signal.SIGUSR2)
        await process.says("upgraded to gwproxy")
        await until(lambda: callers.answered > asked + REQUESTS // TIMES, PATIENCE_S)  # noqa: B023
    await callers.stop()
    assert callers.failures == []
    assert callers.answered >= REQUESTS
    assert (await gwproxy.status())["pid"] == process.process.pid


async def test_stops_and_fresh_starts_on_an_inherited_socket_lose_no_new_connection(write, gwproxy, origin):
    """As systemd does it: the socket is the manager's, and who connects between two gateways waits in its queue."""
    origin.answer(OK)
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        held.listen(4096)
        port = held.getsockname()[1]
        file = write(origin.url)
        inherit(Path(file))
        own = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http"
        activated = ("bash", "-c", f'exec 3<&{held.fileno()}; {own}; exec "$@"', "bash")
        callers = Callers(port)
        process = await gwproxy("run", file, before=activated, pass_fds=(held.fileno(),))
        await process.says("listening on")
        callers.start(new=32)
        while callers.answered < REQUESTS:
            asked = callers.answered
            await until(lambda: callers.answered > asked + REQUESTS // TIMES, PATIENCE_S)  # noqa: B023
            process.signal(signal.SIGTERM)
            code, _, err = await process.end()
            assert code == 0, err
            process = await gwproxy("run", file, before=activated, pass_fds=(held.fileno(),))
            await process.says("listening on")
        await callers.stop()
    assert callers.failures == []
