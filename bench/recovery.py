"""How long what goes wrong lasts: `python -m bench.recovery [TIMES]`, two workers, callers with a connection each time.

Not a comparison: figures of this machine, medians and the worst. The gateway answers itself, so that nothing else is
measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bench.callers import Callers
from bench.peers import ROOT
from gwproxy.runtime.control import NobodyThere, ask
from gwproxy.runtime.folder import SOCKET

FILE = """
[gateway]
listen = ["127.0.0.1:{port}"]
workers = 2
drain_timeout = "2s"
[log]
access = false
[[routes]]
path = "/*"
method = "*"
respond = {{}}
"""
PATIENCE_S = 20.0


class Gateway:
    """One that runs, until `end`."""

    def __init__(self, folder: Path, port: int) -> None:
        self._socket = folder / "run" / SOCKET
        file = folder / "routes.toml"
        file.write_text(FILE.format(port=port), encoding="utf-8")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gwproxy", "run", str(file), "--runtime", str(folder / "run")],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def status(self) -> Any:
        """What it says of itself; None where nobody answers."""
        try:
            return ask(self._socket, "status")
        except NobodyThere:
            return None

    async def until(self, condition: Callable[[Any], bool]) -> float:
        """Seconds until what it says of itself is so."""
        began = time.perf_counter()
        while time.perf_counter() - began < PATIENCE_S:
            found = await asyncio.to_thread(self.status)
            if found is not None and condition(found):
                return time.perf_counter() - began
            await asyncio.sleep(0.005)
        raise TimeoutError

    def end(self) -> None:
        """End it, if it is still there."""
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def _serving(found: Any, *, without: int = 0) -> bool:
    pids = [worker["pid"] for worker in found["workers"] if worker["state"] == "serving"]
    return len(pids) == 2 and without not in pids


async def _hurt(gateway: Gateway, callers: Callers, number: signal.Signals) -> tuple[float, float, int]:
    """Send a worker `number`: seconds until two others serve, the longest that a caller waited, requests lost."""
    callers.took_s, callers.failures = [], []
    victim = gateway.status()["workers"][0]["pid"]
    os.kill(victim, number)
    took = await gateway.until(lambda found: _serving(found, without=victim))
    return took, callers.slowest_s, len(callers.failures)


async def _killed_supervisor(gateway: Gateway, port: int) -> float:
    """Seconds from the supervisor's end to a free port."""
    began = time.perf_counter()
    gateway.process.kill()
    gateway.process.wait()
    while time.perf_counter() - began < PATIENCE_S:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                await asyncio.sleep(0.002)
            else:
                return time.perf_counter() - began
    raise TimeoutError


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def _gateway(found: dict[str, list[float]]) -> AsyncIterator[tuple[Gateway, int]]:
    """A new one each time: a worker that ends again soon is replaced later."""
    with tempfile.TemporaryDirectory(prefix="gwproxy-recovery-") as name:
        port = _free_port()
        gateway = Gateway(Path(name), port)
        try:
            await gateway.until(_serving)
            found["start, until two workers serve"].append(time.perf_counter() - gateway.began)
            yield gateway, port
        finally:
            gateway.end()


async def _round(found: dict[str, list[float]], lost: dict[str, int]) -> None:
    for number in (signal.SIGKILL, signal.SIGSTOP):
        what = f"{number.name} to a worker"
        async with _gateway(found) as (gateway, port):
            callers = Callers(port)
            callers.start(new=4)
            took, slowest, failures = await _hurt(gateway, callers, number)
            await callers.stop()
        found[f"{what}, until two others serve"].append(took)
        found[f"{what}, the longest wait of a caller"].append(slowest)
        lost[what] = lost.get(what, 0) + failures
    async with _gateway(found) as (gateway, port):
        took = await _killed_supervisor(gateway, port)
        found["SIGKILL to the supervisor, until the port is free"].append(took)


class _Found(dict[str, list[float]]):
    def __missing__(self, key: str) -> list[float]:
        return self.setdefault(key, [])


def main() -> None:
    """Print the table."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found, lost = _Found(), dict[str, int]()
    for _ in range(times):
        asyncio.run(_round(found, lost))
    print(f"{'what':<55}{'median ms':>12}{'worst ms':>12}   ({times} times)")
    for what, took in found.items():
        print(f"{what:<55}{statistics.median(took) * 1000:>12.0f}{max(took) * 1000:>12.0f}")
    for what, count in lost.items():
        print(f"{what + ', requests lost in all':<55}{count:>12}")


if __name__ == "__main__":
    main()
