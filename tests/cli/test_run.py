"""`gwproxy run` as a process: how it starts, reads its file again, and ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.scripted import send, take_request, tell, wait_for

GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

FILE = """
[gateway]
listen = ["127.0.0.1:{port}"]
drain_timeout = "{drain}"
{gateway}
[log]
format = "text"
{log}
[services.origin]
url = "{url}"
retries = {retries}
[[routes]]
path = "/{path}"
service = "origin"
"""


def write(file: Path, url: str = "http://127.0.0.1:1", **values: object) -> str:
    """Writes a configuration, and gives the name of its file."""
    usual = {"port": 0, "drain": "30s", "gateway": "", "log": "", "path": "one", "retries": 0}
    file.write_text(FILE.format(**usual | {"url": url} | values), encoding="utf-8")
    return str(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "routes.toml"


async def status(caller: Client, path: bytes) -> int:
    return (await caller.ask(GET % path)).status


async def test_a_request_is_served_and_logged(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url, log="access = true"))
    answer = await (await connect(await process.port())).ask(GET % b"one")
    process.signal(signal.SIGTERM)
    code, out, _ = await process.end()
    assert (answer.status, code) == (200, 0)
    assert " 200 GET x/one " in out
    assert str(answer.header("X-Request-Id")) in out


async def test_access_log_is_json_unless_told_otherwise_and_so_is_the_other(file, gwproxy, origin, connect):
    write(file, origin.url)
    file.write_text(file.read_text(encoding="utf-8").replace('format = "text"', ""), encoding="utf-8")
    process = await gwproxy("run", str(file))
    await (await connect(await process.port())).ask(GET % b"one")
    process.signal(signal.SIGTERM)
    _, out, err = await process.end()
    assert json.loads(out)["path"] == "/one"
    levels = [json.loads(line)["level"] for line in err.splitlines()]
    # Listening, stopping, stopped; and what was raised, where the shell allows less than it may.
    assert len(levels) >= 3
    assert set(levels) == {"info"}


async def test_no_access_log_where_none_is_wanted(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url, log="access = false"))
    assert await status(await connect(await process.port()), b"one") == 200
    process.signal(signal.SIGTERM)
    assert (await process.end())[1] == ""


async def test_what_is_not_in_force_is_told_at_start(file, gwproxy):
    process = await gwproxy("run", write(file, retries=2))
    await process.says(r"warning: not in force: services\.origin\.retries: ")
    await process.port()


async def test_hangup_serves_the_new_file_on_the_same_connection(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url, path="one"))
    kept = await connect(await process.port())
    assert [await status(kept, b"one"), await status(kept, b"two")] == [200, 404]
    write(file, origin.url, path="two")
    process.signal(signal.SIGHUP)
    await process.says("reloaded ")
    assert [await status(kept, b"one"), await status(kept, b"two")] == [404, 200]


async def test_hangup_with_a_bad_file_changes_nothing_and_tells_all_of_it(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url))
    kept = await connect(await process.port())
    assert await status(kept, b"one") == 200
    write(file, "ftp://x", path="two/:a/:a")
    process.signal(signal.SIGHUP)
    await process.says("reload refused, nothing changed: 2 problems in ")
    assert [await status(kept, b"one"), await status(kept, b"two")] == [200, 404]
    told = "".join(process.told)
    assert f"{file}:10:1: services.origin.url: unusable URL" in told
    assert f"{file}:13:1: routes[0].path: parameter is named twice" in told
    write(file, origin.url, path="two")
    process.signal(signal.SIGHUP)
    await process.says("reloaded ")
    assert await status(kept, b"two") == 200


async def test_hangup_with_routes_that_tie_changes_nothing(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url))
    kept = await connect(await process.port())
    with file.open("a", encoding="utf-8") as more:
        more.write('[[routes]]\npath = "/:a"\nrespond = {}\n[[routes]]\npath = "/:b"\nrespond = {}\n')
    process.signal(signal.SIGHUP)
    await process.says("reload refused, nothing changed: 1 problem in ")
    assert [await status(kept, b"one"), await status(kept, b"two")] == [200, 404]
    assert "which ties with routes[1]" in "".join(process.told)


async def test_hangup_without_the_file_changes_nothing(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url))
    port = await process.port()
    file.unlink()
    process.signal(signal.SIGHUP)
    await process.says("reload refused, nothing changed")
    assert await status(await connect(port), b"one") == 200


async def test_hangup_names_what_only_a_restart_can_change(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url))
    kept = await connect(await process.port())
    write(file, origin.url, path="two", gateway='instance = "other"', log="access = false")
    process.signal(signal.SIGHUP)
    await process.says(r"reload refused, nothing changed: restart for gateway\.instance, log\.access$")
    assert [await status(kept, b"one"), await status(kept, b"two")] == [200, 404]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_request_under_way_is_answered_before_the_end(number, file, gwproxy, scripted, connect):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted([take_request(), tell(asked), wait_for(answer), send(OK)])
    process = await gwproxy("run", write(file, slow.url))
    port = await process.port()
    caller = await connect(port)
    await caller.send(GET % b"one")
    await asyncio.wait_for(asked.wait(), 5)
    process.signal(number)
    await process.says("stopping: ")
    await refused_soon(port)
    answer.set()
    last = await caller.read_answer()
    assert last is not None
    assert (last.status, last.body, last.will_close()) == (200, b"ok", True)
    assert (await process.end())[0] == 0


async def refused_soon(port: int) -> None:
    """Waits until nobody listens there any more."""
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.close()


async def test_second_signal_does_not_wait(file, gwproxy, scripted, connect):
    asked = asyncio.Event()
    silent = await scripted([take_request(), tell(asked), wait_for(asyncio.Event())])
    process = await gwproxy("run", write(file, silent.url, drain="1h"))
    caller = await connect(await process.port())
    await caller.send(GET % b"one")
    await asyncio.wait_for(asked.wait(), 5)
    process.signal(signal.SIGTERM)
    await process.says("stopping: ")
    process.signal(signal.SIGTERM)
    code, _, err = await process.end()
    assert code == 0
    assert "stopped, 1 connection cut off" in err
    answer = await caller.read_answer()
    assert answer is not None
    assert (answer.status, answer.will_close(), b'"code":"draining"' in answer.body) == (503, True, True)


async def test_drain_has_its_end(file, gwproxy, scripted, connect):
    asked = asyncio.Event()
    silent = await scripted([take_request(), tell(asked), wait_for(asyncio.Event())])
    process = await gwproxy("run", write(file, silent.url, drain="50ms"))
    caller = await connect(await process.port())
    await caller.send(GET % b"one")
    await asyncio.wait_for(asked.wait(), 5)
    process.signal(signal.SIGTERM)
    code, out, err = await process.end()
    assert code == 0
    assert "stopped, 1 connection cut off" in err
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.status == 503
    assert re.search(r" 503 GET .* draining\b", out)


async def test_answer_under_way_at_the_end_of_the_drain_is_cut_visibly(file, gwproxy, scripted, connect):
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    slow = await scripted([take_request(), send(begun), wait_for(asyncio.Event())])
    process = await gwproxy("run", write(file, slow.url, drain="50ms"))
    caller = await connect(await process.port())
    await caller.send(GET % b"one")
    await caller.wire.read_until(b"half", None)
    process.signal(signal.SIGTERM)
    code, out, _ = await process.end()
    assert code == 0
    assert await caller.closed()
    assert re.search(r" 200 GET .* draining\b", out)


async def test_idle_connection_does_not_hold_the_end_up(file, gwproxy, origin, connect):
    process = await gwproxy("run", write(file, origin.url, drain="1h"))
    idle = await connect(await process.port())
    assert await status(idle, b"one") == 200
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0
    assert await idle.closed()


async def test_what_is_closed_at_the_start_stays_harmless(file, gwproxy, origin, connect):
    """Descriptor 1 would be a socket of somebody's, and lines would be written into it."""
    closed = ("bash", "-c", 'exec "$@" 0<&- 1>&-', "bash")
    process = await gwproxy("run", write(file, origin.url), before=closed)
    port = await process.port()
    for _ in range(3):
        assert await status(await connect(port), b"one") == 200
    process.signal(signal.SIGTERM)
    code, out, err = await process.end()
    assert (code, out) == (0, "")
    assert "lost" not in err


async def test_files_in_the_current_folder_are_nobodys_modules(file, gwproxy, tmp_path, monkeypatch):
    (tmp_path / "uvloop.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    start = ("bash", "-c", 'python=$1; shift 3; exec "$python" -P -m gwproxy "$@"', "bash")
    process = await gwproxy("run", write(file), before=start)
    await process.port()
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0


async def test_port_in_use_is_one_clear_line(file, gwproxy):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        code, _, err = await (await gwproxy("run", write(file, port=port))).end()
    assert code == 1
    assert err == (
        f"{file}:3:11: gateway.listen[0]: cannot listen on 127.0.0.1:{port}: address already in use; "
        "choose another port, or stop what holds it\n"
    )


async def test_bad_file_is_refused_whole(file, gwproxy):
    code, out, err = await (await gwproxy("run", write(file, "ftp://x", path="two/:a/:a"))).end()
    assert (code, out) == (1, "")
    assert err.count(f"{file}:") == 3
    assert err.endswith(f"{file}: 2 errors\n")


async def test_routes_that_tie_are_refused(file, gwproxy):
    write(file)
    with file.open("a", encoding="utf-8") as more:
        more.write('[[routes]]\npath = "/:a"\nrespond = {}\n[[routes]]\npath = "/:b"\nrespond = {}\n')
    code, _, err = await (await gwproxy("run", str(file))).end()
    assert code == 1
    assert f"{file}:19:1: routes[2].path: route is written twice" in err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[admin]\nlisten = "0.0.0.0:1"', ": admin.token: admin needs a token"),
        ('[services.a]\nurl = "https://a"\ntls = {ca = "no.pem"}', "found \"no.pem\"; No such file or directory"),
        ('[services.a]\nurl = "https://a"\ntls = {ca = "%s"}', "services.a.tls.ca: file cannot be read: found"),
    ],
)  # fmt: skip
async def test_what_this_machine_lacks_is_named_with_its_place(more, says, file, gwproxy):
    write(file)
    with file.open("a", encoding="utf-8") as end:
        end.write(more.replace("%s", str(file)))
    code, _, err = await (await gwproxy("run", str(file))).end()
    assert code == 1
    assert says in err
    assert err.endswith(f"{file}: 1 error\n")
