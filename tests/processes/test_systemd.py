"""What systemd is told, what it hands over, and what it thinks of our units."""

from __future__ import annotations

import array
import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.command import ROOT, WITHIN_S, Process, workers_of

UNITS = ROOT / "systemd"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"), reason="without systemd's programs"
)


class FakeSystemd:
    """The socket that a service notifies: each datagram's fields, who sent it, and how many descriptors came along."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[dict[str, str]] = []
        self.pids: set[int] = set()
        self.fds: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._sock.bind(str(path))
        self._sock.setblocking(False)
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    def _read(self) -> None:
        data, ancillary, _, _ = self._sock.recvmsg(4096, 1024)
        fields = dict(line.split("=", 1) for line in data.decode().splitlines())
        for _, kind, content in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                self.pids.add(array.array("i", content)[0])
            elif kind == socket.SCM_RIGHTS:
                self.fds[fields["FDNAME"]] = array.array("i", content)[0]
        self.told.append(fields)
        self._changed.set()

    async def hears(self, key: str, value: str | None = None, after: int = 0) -> dict[str, str]:
        """The first datagram from the `after`th on that has `key`, as soon as it comes."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for fields in self.told[after:]:
                    if key in fields and value in (None, fields[key]):
                        return fields
                self._changed.clear()
                await self._changed.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        for fd in self.fds.values():
            os.close(fd)


@pytest_asyncio.fixture
async def systemd(tmp_path: Path) -> AsyncIterator[FakeSystemd]:
    fake = FakeSystemd(tmp_path / "notify")
    yield fake
    fake.close()


async def started(gwproxy, systemd: FakeSystemd, file: str, watchdog: bool = False) -> Process:
    environ = [("NOTIFY_SOCKET", str(systemd.path))]
    if watchdog:
        environ.append(("WATCHDOG_USEC", "600000"))
    return await gwproxy("run", file, environ=environ)


async def test_ready_is_told_when_it_serves_and_by_the_supervisor_alone(write, gwproxy, systemd, connect):
    process = await started(gwproxy, systemd, write())
    await systemd.hears("READY")
    port = await process.port()
    caller = await connect(port)
    assert (await caller.ask(b"GET /mark HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
    assert systemd.pids == {process.process.pid}


async def test_nothing_of_systemds_is_left_for_children(write, gwproxy, systemd):
    process = await started(gwproxy, systemd, write(), watchdog=True)
    await process.port()
    for pid in workers_of(gwproxy.folder):
        assert not names_in_environ(pid) & {b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"LISTEN_FDS", b"LISTEN_PID"}


def names_in_environ(pid: int) -> set[bytes]:
    return {line.partition(b"=")[0] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}


async def test_reload_is_told_with_its_time_in_one_datagram(write, gwproxy, systemd):
    process = await started(gwproxy, systemd, write())
    await process.port()
    await systemd.hears("READY")
    seen = len(systemd.told)
    write(mark="two")
    process.signal(signal.SIGHUP)
    fields = await systemd.hears("RELOADING", after=seen)
    assert int(fields["MONOTONIC_USEC"]) > 0
    assert "reloaded" in (await systemd.hears("READY", after=seen))["STATUS"]


async def test_refused_reload_ends_ready_and_says_why(write, gwproxy, systemd):
    process = await started(gwproxy, systemd, write())
    await process.port()
    await systemd.hears("READY")
    seen = len(systemd.told)
    write(gateway="bogus = 1")
    process.signal(signal.SIGHUP)
    await systemd.hears("RELOADING", after=seen)
    assert "reload refused" in (await systemd.hears("READY", after=seen))["STATUS"]


async def test_stopping_is_told_and_asks_for_the_time_of_the_drain(write, gwproxy, systemd):
    process = await started(gwproxy, systemd, write(drain="10s"))
    await process.port()
    process.signal(signal.SIGTERM)
    fields = await systemd.hears("STOPPING")
    assert int(fields["EXTEND_TIMEOUT_USEC"]) >= 10_000_000
    await process.end()


async def test_watchdog_is_fed_only_while_a_worker_lives(write, gwproxy, systemd):
    process = await started(gwproxy, systemd, write(workers=1), watchdog=True)
    await process.port()
    for _ in range(3):
        seen = len(systemd.told)
        await systemd.hears("WATCHDOG", "1", after=seen)
    [worker] = workers_of(gwproxy.folder)
    os.kill(worker, signal.SIGSTOP)
    await process.says("has not been heard of")
    # Silent since the worker was: of the two seconds none but the first tenths.
    fed = [fields for fields in systemd.told if "WATCHDOG" in fields]
    seen = len(systemd.told)
    await systemd.hears("WATCHDOG", "1", after=seen)
    assert len(fed) < len([fields for fields in systemd.told if "WATCHDOG" in fields])


async def test_own_listeners_are_kept_over_a_restart(write, gwproxy, systemd, free_port):
    port = free_port()
    process = await started(gwproxy, systemd, write(port=port))
    await systemd.hears("FDSTORE")
    name = f"gwproxy-127.0.0.1_{port}"
    await systemd.hears("FDNAME", name)
    with socket.socket(fileno=os.dup(systemd.fds[name])) as kept:
        assert kept.getsockname() == ("127.0.0.1", port)
    assert await process.port() == port


async def activated(write, gwproxy, *more: str, listen: str, names: str) -> tuple[Process, int]:
    """A gateway under systemd-socket-activate, and the port that it was given."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = write(listen=listen)
    argv = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", f"--fdname={names}", *more]
    process = await gwproxy("run", file, before=argv)
    # It waits for the first connection before it starts anything.
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return process, port


@needs_systemd
async def test_socket_that_is_handed_over_is_served(write, gwproxy, connect):
    process, port = await activated(write, gwproxy, listen='["fd:http"]', names="http")
    await process.says(f"listening on http://127.0.0.1:{port}")
    assert (await (await connect(port)).ask(b"GET /mark HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200


@needs_systemd
async def test_socket_that_nobody_handed_over_is_told_by_name(write, gwproxy):
    process, _ = await activated(write, gwproxy, listen='["fd:web"]', names="http")
    code, _, err = await process.end()
    assert code == 1
    assert "fd:web" in err
    assert "there are: http" in err


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)


async def test_kept_socket_that_no_address_wants_is_closed_and_forgotten(write, gwproxy, systemd):
    with socket.create_server(("127.0.0.1", 0)) as kept:
        port = kept.getsockname()[1]
        own = f"export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=gwproxy-127.0.0.1_{port}"
        before = ("bash", "-c", f'exec 3<&{kept.fileno()} {kept.fileno()}<&-; {own}; exec "$@"', "bash")
        process = await gwproxy(
            "run", write(), before=before, pass_fds=(kept.fileno(),),
            environ=[("NOTIFY_SOCKET", str(systemd.path))],
        )  # fmt: skip
        await process.port()
        told = await systemd.hears("FDSTOREREMOVE")
        assert told["FDNAME"] == f"gwproxy-127.0.0.1_{port}"
    # Ours was the only other end: nobody listens there any more.
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@needs_systemd
def test_units_are_what_systemd_understands(tmp_path: Path):
    """Its exit code says fine to anything; only what it writes to stderr tells."""
    for name in ("gwproxy.service", "gwproxy.socket"):
        text = (UNITS / name).read_text().replace("/usr/bin/gwproxy", "/bin/true")
        (tmp_path / name).write_text(text)
    found = analyze("verify", "--man=no", str(tmp_path / "gwproxy.service"), str(tmp_path / "gwproxy.socket"))
    lines = [line for line in found.stderr.splitlines() if "ignoring: notify-reload" not in line]
    assert lines == []


@needs_systemd
def test_service_is_hardly_exposed():
    service = str(UNITS / "gwproxy.service")
    found = analyze("security", "--offline=true", "--no-pager", "--threshold=11", service)
    assert found.returncode == 0, found.stdout[-200:]
    level = re.search(r"exposure level for gwproxy.service: ([0-9.]+)", found.stdout)
    assert level is not None
    assert float(level[1]) <= 1.1
