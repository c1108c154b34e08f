"""Signals that come before there is anything to heed them."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.support.command import Process
from tests.support.until import until

HANGUP = 1 << (signal.SIGHUP - 1)


async def holds_back(process: Process) -> None:
    """Waits for the first moment in which gwproxy's own code runs: until then a signal ends Python, as it does `sh`."""
    assert await until(lambda: masks(process.process.pid), 20) >= 0
    blocked, caught = masks(process.process.pid)
    assert blocked & HANGUP
    assert not caught & HANGUP


def masks(pid: int) -> tuple[int, int] | None:
    """The signals that a process holds back, and those that it has a handler for; None while it does neither."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    blocked, caught = int(fields["SigBlk"], 16), int(fields["SigCgt"], 16)
    return (blocked, caught) if (blocked | caught) & HANGUP else None


async def test_a_reload_asked_for_while_the_gateway_is_being_loaded_is_done_later(write, gwproxy, connect):
    process = await gwproxy("run", write(mark="one"))
    await holds_back(process)
    process.signal(signal.SIGHUP)
    port = await process.port()
    await process.says("reloaded ")
    answer = await (await connect(port)).ask(b"GET /mark HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.body == b"one"


async def test_an_end_asked_for_while_the_gateway_is_being_loaded_ends_it(write, gwproxy):
    process = await gwproxy("run", write())
    await holds_back(process)
    process.signal(signal.SIGTERM)
    code, _, err = await process.end()
    assert code == 0, err
    assert "stopped, 0 connections cut off" in err
