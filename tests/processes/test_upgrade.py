"""New code takes over in place: same process, same sockets, no request and no connection lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from bench.callers import Callers
from tests.support.command import workers_of
from tests.support.scripted import send, take_request, tell, wait_for
from tests.support.until import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


async def test_supervisor_keeps_its_process_and_replaces_its_workers(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url))
    port = await process.port()
    kept = [await connect(port) for _ in range(20)]
    for caller in kept:
        await caller.ask(POST)
    before = workers_of(gwproxy.folder)
    code, out, err = await gwproxy.told("upgrade")
    assert (code, out, err) == (0, "upgraded to gwproxy 0.1.0\n", "")
    found = await gwproxy.until_serving(2)
    assert found["pid"] == process.process.pid
    await until(lambda: not set(before) & set(workers_of(gwproxy.folder)), 20)
    for caller in kept:
        assert (await caller.ask(POST)).status == 200
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 40)
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0


async def test_upgrades_under_load_lose_nothing(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url, drain="2s"))
    callers = Callers(await process.port())
    callers.start(kept=8, new=4)
    for _ in range(3):
        seen = (await gwproxy.status())["generation"]
        process.signal(signal.SIGUSR2)
        await process.says("upgraded to gwproxy")
        assert (await gwproxy.status())["generation"] > seen
        asked = callers.answered
        await until(lambda: callers.answered > asked + 20)  # noqa: B023 (awaited at once)
    await callers.stop()
    assert callers.failures == []


async def test_file_that_the_new_code_refuses_refuses_the_upgrade(write, gwproxy, connect, origin):
    process = await gwproxy("run", write(origin.url))
    caller = await connect(await process.port())
    before = workers_of(gwproxy.folder)
    write(origin.url, gateway="bogus = 1")
    code, _, err = await gwproxy.told("upgrade")
    assert code == 1
    assert "gateway.bogus" in err
    assert workers_of(gwproxy.folder) == before
    assert (await caller.ask(POST)).status == 200


async def refused(gwproxy, port: int, connect, reason: str) -> None:
    """An upgrade is refused for `reason`, and nothing has changed."""
    before = workers_of(gwproxy.folder)
    code, _, err = await gwproxy.told("upgrade")
    assert code == 1
    assert reason in err
    assert "upgrade refused, nothing changed" in err
    assert workers_of(gwproxy.folder) == before
    assert (await (await connect(port)).ask(b"GET /mark HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200


async def test_address_that_cannot_be_had_refuses_the_upgrade(write, gwproxy, connect, free_port):
    port = free_port()
    process = await gwproxy("run", write(port=port))
    await process.port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write(port=taken.getsockname()[1])
        await refused(gwproxy, port, connect, "address already in use")


async def test_log_file_that_cannot_be_written_refuses_the_upgrade(gwproxy, connect, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    file = tmp_path / "routes.toml"
    listen = '[gateway]\nlisten = ["127.0.0.1:0"]\n'
    routes = '[[routes]]\npath = "/mark"\nrespond = {}\n'
    file.write_text(f'{listen}[log]\nfile = "{logs}/access.log"\n{routes}')
    port = await (await gwproxy("run", str(file))).port()
    logs.rename(tmp_path / "moved")
    await refused(gwproxy, port, connect, "log.file")


async def test_runtime_folder_that_is_gone_refuses_the_upgrade(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    for file in ("lock", "control.sock"):
        (gwproxy.folder / "gwproxy" / file).unlink()
    process.signal(signal.SIGUSR2)
    await process.says("the runtime folder .* has been removed or replaced: restart the gateway")
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0


async def test_verbs_wait_while_code_is_exchanged(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    process.signal(signal.SIGUSR2)
    await process.says("upgrading: new code in place")
    code, out, err = await gwproxy.told("reload")
    assert (code, err) == (0, "")
    assert out.startswith("reloaded ")


@pytest.mark.parametrize("late_s", [0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4])
async def test_an_end_asked_for_during_the_take_over_is_heard(write, gwproxy, late_s):
    process = await gwproxy("run", write())
    await process.port()
    process.signal(signal.SIGUSR2)
    await process.says("upgrading: new code in place")
    await asyncio.sleep(late_s)
    process.signal(signal.SIGTERM)
    code, _, err = await process.end()
    assert code == 0, err
    assert "stopped, 0 connections cut off" in err


async def test_an_end_asked_for_during_the_check_refuses_the_upgrade(write, gwproxy, scripted, connect):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted([take_request(), tell(asked), wait_for(answer), send(OK)])
    process = await gwproxy("run", write(slow.url))
    caller = await connect(await process.port())
    await caller.send(POST)
    await asyncio.wait_for(asked.wait(), 5)
    upgrade = asyncio.create_task(gwproxy.told("upgrade"))
    await until(lambda: checks(process.process.pid))
    process.signal(signal.SIGTERM)
    assert "the gateway is stopping" in (await upgrade)[2]
    answer.set()
    assert (await caller.read_answer()).status == 200
    code, _, err = await process.end()
    assert code == 0, err
    assert "upgrading" not in err


async def test_descriptors_do_not_grow_with_upgrades(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url, workers=1))
    await process.port()
    supervisor = process.process.pid
    held = 0
    for number in range(4):
        assert (await gwproxy.told("upgrade"))[0] == 0
        await gwproxy.until_serving(1)
        if not number:
            held = descriptors(supervisor)
    # The asker's own connection, and the last worker's end, may be a moment behind.
    await until(lambda: descriptors(supervisor) <= held)


def checks(pid: int) -> bool:
    """Whether a supervisor has the new code check the file."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [Path(f"/proc/{child}/cmdline") for task in children.parents[1].iterdir()
             for child in (task / "children").read_text().split()]
    return any(b"gwproxy.runtime.rehearse" in each.read_bytes() for each in found if each.exists())


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def test_worker_that_still_drains_is_not_forgotten_by_a_second_upgrade(write, gwproxy, scripted, connect):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted([take_request(), tell(asked), wait_for(answer), send(OK)])
    process = await gwproxy("run", write(slow.url, workers=1, drain="60s", timeout="60s"))
    port = await process.port()
    for _ in range(5):
        assert (await (await connect(port)).ask(b"GET /mark HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
    caller = await connect(port)
    await caller.send(POST)
    await asyncio.wait_for(asked.wait(), 5)
    [draining] = workers_of(gwproxy.folder)
    for _ in range(2):
        assert (await gwproxy.told("upgrade"))[0] == 0
        assert draining in [worker["pid"] for worker in (await gwproxy.status())["workers"]]
    answer.set()
    assert (await caller.read_answer()).status == 200
    found = await gwproxy.until_serving(1)
    assert found["tally"]["exchanges"] == 6
    assert draining not in workers_of(gwproxy.folder)


async def test_old_worker_that_ends_during_an_upgrade_leaves_none_too_many(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    first, second = workers_of(gwproxy.folder)
    process.signal(signal.SIGUSR2)
    await process.says("upgrading: new code in place")
    await until(lambda: len(workers_of(gwproxy.folder)) == 3, 20)
    os.kill(second, signal.SIGKILL)
    await process.says("upgraded to gwproxy")
    found = await gwproxy.until_serving(2)
    assert [worker["number"] for worker in found["workers"]] == [0, 1]
    assert not {first, second} & {worker["pid"] for worker in found["workers"]}
