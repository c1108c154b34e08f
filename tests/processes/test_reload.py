"""A change of the file is in all workers or in none, closes no connection, and is told to who asked for it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bench.callers import Callers
from tests.support.command import workers_of
from tests.support.until import until

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


async def body(caller) -> bytes:
    return (await caller.ask(GET % b"mark")).body


async def test_verb_waits_until_every_worker_serves_the_new_file(write, gwproxy, connect):
    process = await gwproxy("run", write())
    port = await process.port()
    kept = [await connect(port) for _ in range(12)]
    assert {await body(caller) for caller in kept} == {b"one"}
    write(mark="two")
    code, out, _ = await gwproxy.told("reload")
    assert (code, out.startswith("reloaded ")) == (0, True)
    # The same connections, on both workers.
    assert {await body(caller) for caller in kept} == {b"two"}
    assert [worker["generation"] for worker in (await gwproxy.status())["workers"]] == [2, 2]


async def test_verb_tells_every_reason_of_a_refusal_and_nothing_changes(write, gwproxy, connect):
    process = await gwproxy("run", write())
    caller = await connect(await process.port())
    write(gateway='bogus = 1\nheader_timeout = "never"')
    code, out, err = await gwproxy.told("reload")
    assert (code, out) == (1, "")
    assert "gateway.bogus" in err
    assert "gateway.header_timeout" in err
    assert err.rstrip().endswith("2 problems in " + write())
    assert await body(caller) == b"one"
    assert (await gwproxy.status())["generation"] == 1
    assert "refused" in (await gwproxy.status())["last_reload"][-1]


async def test_worker_that_dies_while_preparing_is_replaced_with_what_is_in_force(write, gwproxy, connect):
    """It stands still, is found stuck and ended; the others are ready, so the new file is served."""
    process = await gwproxy("run", write())
    port = await process.port()
    frozen, _ = workers_of(gwproxy.folder)
    os.kill(frozen, signal.SIGSTOP)
    write(mark="two")
    code, _, _ = await gwproxy.told("reload")
    assert code == 0
    found = await gwproxy.until_serving(2)
    assert {worker["generation"] for worker in found["workers"]} == {2}
    assert {await body(await connect(port)) for _ in range(8)} == {b"two"}


async def test_listener_moves_without_closing_a_connection(write, gwproxy, connect, free_port):
    first, second = free_port(), free_port()
    process = await gwproxy("run", write(port=first))
    kept = await connect(await process.port())
    assert await body(kept) == b"one"
    write(port=second, mark="two")
    assert (await gwproxy.told("reload"))[0] == 0
    assert await body(kept) == b"two"
    assert await body(await connect(second)) == b"two"
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", first)


async def test_unix_listener_that_is_given_up_leaves_no_file(tmp_path, gwproxy):
    file, path = tmp_path / "routes.toml", tmp_path / "http.sock"
    text = '[gateway]\nlisten = [{}]\n[[routes]]\npath = "/"\nrespond = {{ status = 200 }}\n'
    file.write_text(text.format(f'"127.0.0.1:0", "unix:{path}"'))
    await (await gwproxy("run", file)).port()
    assert path.exists()
    file.write_text(text.format('"127.0.0.1:0"'))
    assert (await gwproxy.told("reload"))[0] == 0
    assert not path.exists()


async def test_listener_that_cannot_be_had_refuses_the_reload(write, gwproxy, connect, free_port):
    process = await gwproxy("run", write())
    caller = await connect(await process.port())
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        write(port=port, mark="two")
        code, _, err = await gwproxy.told("reload")
    assert code == 1
    assert f"127.0.0.1:{port}" in err
    assert await body(caller) == b"one"


async def test_workers_become_more_and_fewer(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url, workers=1))
    callers = Callers(await process.port())
    callers.start(kept=4, new=2)
    for count in (3, 1, 2):
        write(origin.url, workers=count)
        assert (await gwproxy.told("reload"))[0] == 0
        await gwproxy.until_serving(count)
        assert len(workers_of(gwproxy.folder)) == count
    await callers.stop()
    assert callers.failures == []


async def test_hangups_under_load_lose_nothing(write, gwproxy, origin):
    process = await gwproxy("run", write(origin.url))
    callers = Callers(await process.port())
    callers.start(kept=8, new=4)
    for number in range(12):
        write(origin.url, mark=f"mark-{number}")
        process.signal(signal.SIGHUP)
        await process.says("reloaded ")
    await callers.stop()
    assert callers.failures == []
    assert callers.reconnected == 0
    assert callers.answered > 50


async def test_hundred_hangups_at_once_end_with_the_newest_file(write, gwproxy, connect):
    process = await gwproxy("run", write())
    caller = await connect(await process.port())
    for number in range(100):
        write(mark=f"mark-{number}")
        process.signal(signal.SIGHUP)
    await gwproxy.until(lambda found: found["generation"] > 1)
    async with asyncio.timeout(10):
        while await body(caller) != b"mark-99":  # noqa: ASYNC110 (the file has no event)
            await asyncio.sleep(0.02)


async def test_hangup_while_draining_changes_nothing(write, gwproxy, connect, scripted):
    from tests.support.scripted import send, take_request, tell, wait_for

    asked, answer = asyncio.Event(), asyncio.Event()
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    slow = await scripted([take_request(), tell(asked), wait_for(answer), send(ok)])
    process = await gwproxy("run", write(slow.url))
    caller = await connect(await process.port())
    await caller.send(GET % b"slow")
    await asyncio.wait_for(asked.wait(), 5)
    process.signal(signal.SIGTERM)
    await process.says("stopping")
    process.signal(signal.SIGHUP)
    code, _, err = await gwproxy.told("reload")
    assert code == 1
    assert "the gateway is stopping" in err
    answer.set()
    assert (await caller.read_answer()).status == 200
    assert (await process.end())[0] == 0


async def test_reloads_leave_nothing_behind(write, gwproxy, origin, connect):
    process = await gwproxy("run", write(origin.url, workers=1))
    caller = await connect(await process.port())
    [worker] = workers_of(gwproxy.folder)
    held = []
    for number in range(12):
        write(origin.url, mark=f"mark-{number}")
        assert (await gwproxy.told("reload"))[0] == 0
        await caller.ask(GET % b"x")
        held.append((descriptors(worker), descriptors(process.process.pid)))
    await until(lambda: (descriptors(worker), descriptors(process.process.pid)) == held[1])


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def test_worker_that_comes_up_while_others_prepare_serves_the_new_file_too(write, gwproxy, connect):
    """It was not asked to prepare it, so it can't be told to swap to it."""
    process = await gwproxy("run", write())
    port = await process.port()
    slow, gone = workers_of(gwproxy.folder)
    os.kill(slow, signal.SIGSTOP)
    os.kill(gone, signal.SIGKILL)
    await process.says("replaced at once")
    write(mark="two")
    process.signal(signal.SIGHUP)
    await gwproxy.until(
        lambda found: any(each["state"] == "serving" and each["pid"] not in (slow, gone) for each in found["workers"])
    )
    os.kill(slow, signal.SIGCONT)
    await process.says("reloaded ")
    await gwproxy.until(lambda found: [each["generation"] for each in found["workers"]] == [2, 2])
    assert {await body(await connect(port)) for _ in range(8)} == {b"two"}
    write(mark="three")
    assert (await gwproxy.told("reload"))[0] == 0
