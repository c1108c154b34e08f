"""`gwproxy demo` as a process."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest

from tests.support.command import Process

# It takes the usual ports for a moment, as tests/demo does.
pytestmark = pytest.mark.xdist_group("demo")


async def ready(process: Process) -> tuple[str, int]:
    """What the demo has said once it serves, and the gateway's port."""
    said = ""
    assert process.process.stdout is not None
    async with asyncio.timeout(20):
        # The last paragraph is the one to try.
        while "/demo/hello" not in said:
            said += (await process.process.stdout.readline()).decode()
    found = re.search(r"serves http://127\.0\.0\.1:(\d+);", said)
    assert found is not None
    return said, int(found[1])


# SIGHUP is what a terminal sends when it is closed.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_demo_serves_until_it_is_asked_to_end(number, gwproxy, connect):
    process = await gwproxy("demo")
    said, port = await ready(process)
    assert len(re.findall("^Not in force yet", said, re.MULTILINE)) == 2
    assert "Not in force yet: aggregations (501)" in said
    answer = await (await connect(port)).ask(b"GET /demo/hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.body) == (200, b"hello from gwproxy\n")
    process.signal(number)
    code, out, err = await process.end()
    assert (code, err) == (0, "")
    assert "Finishing what is under way" in out


async def test_second_signal_ends_the_demo_at_once(gwproxy, connect):
    process = await gwproxy("demo")
    _, port = await ready(process)
    caller = await connect(port)
    await caller.send(b"GET /demo/events?count=60 HTTP/1.1\r\nHost: x\r\n\r\n")
    await caller.wire.read_until(b"\r\n\r\n")
    process.signal(signal.SIGINT)
    async with asyncio.timeout(20):
        while b"Finishing" not in await process.process.stdout.readline():
            pass
    process.signal(signal.SIGINT)
    code, _, err = await process.end()
    assert (code, err) == (130, "")


async def test_demo_refuses_an_unusable_url_of_a_service(gwproxy, monkeypatch):
    monkeypatch.setenv("USER_SERVICE_URL", "ftp://x")
    code, _, err = await (await gwproxy("demo")).end()
    assert code == 1
    assert "services.users.url: unusable URL" in err
