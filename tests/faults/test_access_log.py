"""The access log never fails or delays a request: a full disk, a pipe that nobody reads, a file that has gone."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from gwproxy.exchange import Exchange, Sender
from gwproxy.telemetry import writer
from gwproxy.telemetry.writer import AccessLog
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support.until import until

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
FILE = """
[gateway]
listen = ["127.0.0.1:0"]
workers = {workers}
[log]
format = "json"
file = "{log}"
[[routes]]
path = "/*"
respond = {{ status = 200 }}
"""


def exchange(path: bytes = b"/") -> Exchange:
    head = RequestHead(b"GET", path, 1, FieldsOfRequest(b"Host: a"), keep=True)
    one = Exchange(head, Sender("192.0.2.7", b"http", b"a"), 100.0)
    one.status = 200
    return one


def overfull(tmp_path: Path, monkeypatch) -> tuple[AccessLog, Path, int]:
    """A log to a pipe that nobody reads, with 500 lines more than may wait; the pipe, and its end that is not read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(writer, "LAST_S", 0.05)
    log = AccessLog("json", str(pipe))
    for _ in range(writer.MOST_WAITING + 500):
        log([exchange()], 1e9)
    return log, pipe, reader


@pytest.mark.parametrize("form", ["json", "text"])
async def test_line_is_one_line_whatever_was_asked(form, tmp_path: Path):
    log = AccessLog(form, str(tmp_path / "log"))
    log([exchange(b"/\xe2\x80\xa8\xc2\x85\r\n\x1b[2Jx")], 1e9)
    log.close()
    assert (tmp_path / "log").read_bytes().count(b"\n") == 1
    assert b"\x1b" not in (tmp_path / "log").read_bytes()


async def test_full_disk_loses_lines_counts_them_and_says_so_once(caplog):
    log = AccessLog("json", "/dev/full")
    for _ in range(3):
        log([exchange()], 1e9)
        lost = log.lost
        log._tick()
        await until(lambda: log.lost > lost)  # noqa: B023 (awaited at once)
    log._tell()
    assert log.lost == 3
    assert [record.getMessage() for record in caplog.records] == [
        "access log lines are lost: /dev/full: No space left on device"
    ]
    log.close()


async def test_pipe_that_nobody_reads_bounds_what_waits(tmp_path: Path, monkeypatch):
    log, _, reader = overfull(tmp_path, monkeypatch)
    assert log.lost == 500
    log.close()
    os.close(reader)
    await until(lambda: not log._thread.is_alive())


async def test_lines_come_through_a_pipe_whole(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    logs = [AccessLog("json", str(pipe)) for _ in range(3)]
    for number in range(60):
        for log in logs:
            log([exchange(b"/%d-" % number + b"x" * 900)], 1e9)
    for log in logs:
        log._hand_over()
    data = b""

    def drained() -> bool:
        nonlocal data
        try:
            data += os.read(reader, 1 << 20)
        except BlockingIOError:
            return False
        return data.count(b"\n") == 180

    await until(drained)
    assert len([json.loads(line) for line in data.splitlines()]) == 180
    assert not os.get_blocking(reader)
    for log in logs:
        log.close()
    os.close(reader)


@pytest.mark.parametrize("form", ["json", "text"])
async def test_line_of_any_length_goes_through_a_pipe_once(form, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(form, str(pipe))
    for path in (b"/first", b"/" + b"x" * 30_000, b"/" + "ü".encode() * 9000, b"/last"):
        log([exchange(path)], 1e9)
    log.close()
    lines = os.read(reader, 1 << 20).decode().splitlines()
    os.close(reader)
    assert len(lines) == 4
    assert "/first" in lines[0]
    assert "/last" in lines[3]
    assert max(len(line.encode()) for line in lines) < 4096


async def test_lines_that_nobody_reads_are_told_once_and_at_the_end(tmp_path: Path, monkeypatch, caplog):
    log, pipe, reader = overfull(tmp_path, monkeypatch)
    await until(lambda: caplog.records)
    log.close()
    os.close(reader)
    await until(lambda: not log._thread.is_alive())
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == f"access log lines are lost: {pipe}: it takes no more, and 10,000 lines wait"
    assert "lines could not be written before the end" in told[1]
    assert len(told) == 2


async def test_moved_file_is_opened_anew_on_its_signal(gwproxy, connect, tmp_path: Path):
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    (tmp_path / "routes.toml").write_text(FILE.format(workers=2, log=log))
    process = await gwproxy("run", str(tmp_path / "routes.toml"))
    callers = [await connect(await process.port())]
    await callers[0].ask(GET % b"before")
    await until(lambda: b"/before" in log.read_bytes())
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    log.rename(moved)
    process.signal(signal.SIGUSR1)
    await process.says("log files are opened anew")
    await callers[0].ask(GET % b"after")
    await until(lambda: log.exists() and b"/after" in log.read_bytes())
    assert b"/after" not in moved.read_bytes()
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0


async def test_reader_of_stdout_who_stands_still_delays_no_request(gwproxy, connect, tmp_path: Path):
    (tmp_path / "routes.toml").write_text(FILE.format(workers=1, log=""))
    process = await gwproxy("run", str(tmp_path / "routes.toml"))
    port = await process.port()
    # The test's own end of the pipe is read no further than 2 MiB, which is some 6,000 lines.
    for _ in range(20):
        caller = await connect(port)
        await caller.send(GET % b"x" * 1000)
        for _ in range(1000):
            assert (await caller.read_answer()).status == 200
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 20_000)
    found = await gwproxy.until(lambda found: found["tally"]["log_lost"] > 0)
    assert found["tally"]["by_status"] == {"200": 20_000}
    process.signal(signal.SIGTERM)
    code, out, _ = await process.end()
    assert code == 0
    # What was written before the end came through whole.
    assert all(line.endswith("}") for line in out.splitlines()[:-1])


async def test_log_to_a_pipe_without_a_reader_holds_nothing_up(gwproxy, connect, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "routes.toml").write_text(FILE.format(workers=1, log=tmp_path / "pipe"))
    process = await gwproxy("run", str(tmp_path / "routes.toml"))
    caller = await connect(await process.port())
    assert (await caller.ask(GET % b"x")).status == 200
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0


async def test_log_that_cannot_be_opened_is_told_before_the_start(gwproxy, tmp_path: Path):
    (tmp_path / "routes.toml").write_text(FILE.format(workers=1, log=tmp_path / "nowhere" / "log"))
    code, _, err = await (await gwproxy("run", str(tmp_path / "routes.toml"))).end()
    assert code == 1
    assert "log.file" in err


async def test_full_disk_fails_no_request(gwproxy, connect, tmp_path: Path):
    (tmp_path / "routes.toml").write_text(FILE.format(workers=1, log="/dev/full"))
    process = await gwproxy("run", str(tmp_path / "routes.toml"))
    caller = await connect(await process.port())
    for _ in range(20):
        assert (await caller.ask(GET % b"x")).status == 200
    await process.says("access log lines are lost: /dev/full: No space left on device")
    await gwproxy.until(lambda found: found["tally"]["log_lost"] == 20)
