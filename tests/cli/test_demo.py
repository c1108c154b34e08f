"""`gwproxy demo` as a process."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest

# It takes the usual ports for a moment, as tests/demo does.
pytestmark = pytest.mark.xdist_group("demo")


async def test_demo_serves_until_ctrl_c(gwproxy, connect):
    process = await gwproxy("demo")
    said = ""
    async with asyncio.timeout(20):
        # The last paragraph is the one to try.
        while "/demo/hello" not in said:
            said += (await process.process.stdout.readline()).decode()
    found = re.search(r"serves http://127\.0\.0\.1:(\d+);", said)
    assert found is not None
    assert len(re.findall("^Not in force yet", said, re.MULTILINE)) == 2
    assert "authentication (401 to everybody), aggregations (501)" in said
    caller = await connect(int(found[1]))
    answer = await caller.ask(b"GET /demo/hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.body) == (200, b"hello from gwproxy\n")
    process.signal(signal.SIGINT)
    code, _, err = await process.end()
    assert (code, err) == (0, "")


async def test_demo_refuses_an_unusable_url_of_a_service(gwproxy, monkeypatch):
    monkeypatch.setenv("USER_SERVICE_URL", "ftp://x")
    code, _, err = await (await gwproxy("demo")).end()
    assert code == 1
    assert "services.users.url: unusable URL" in err
