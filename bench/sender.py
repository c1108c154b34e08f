"""Builds and runs sender.c, the open-loop sender, and judges whether it held its rate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.process import LOAD_CORE, pinned

SOURCE = Path(__file__).with_name("sender.c")
BINARY = Path(__file__).parent / "build" / "sender"
# Above these, a latency would partly be the sender's own.
LAG_P99_LIMIT_US = 500.0
CONNECTIONS = 64


class CannotBuild(Exception):
    """There is no C compiler, or it refused."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What the sender saw at one rate; microseconds, counted from the intended start."""

    rate: float
    seconds: float
    samples: int
    errors: int
    reconnects: int
    p50: float
    p99: float
    p999: float
    max: float
    lag_p50: float
    lag_p99: float
    lag_max: float
    idle: int
    idle_lost: int

    @property
    def held(self) -> bool:
        """Whether the sender itself kept the times that it intended."""
        return self.lag_p99 <= LAG_P99_LIMIT_US


def build() -> Path:
    if BINARY.exists() and BINARY.stat().st_mtime >= SOURCE.stat().st_mtime:
        return BINARY
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotBuild("no C compiler for bench/sender.c")
    BINARY.parent.mkdir(exist_ok=True)
    # Under a name of its own first: another process may be building, or running, the same.
    own = BINARY.with_suffix(f".{os.getpid()}")
    argv = [compiler, "-O2", "-Wall", "-o", str(own), str(SOURCE)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise CannotBuild(done.stderr[-500:])
    own.replace(BINARY)
    return BINARY


def send(
    port: int,
    rate: float,
    seconds: float,
    *,
    path: str = "/small",
    warmup: float = 1.0,
    connections: int = CONNECTIONS,
    idle: int = 0,
) -> Latency:
    numbers = [f"{rate:.3f}", f"{seconds:.3f}", f"{warmup:.3f}", str(connections), str(idle)]
    argv = pinned(LOAD_CORE, [str(build()), str(port), path, *numbers])
    # Opening 10,000 connections one after another may take a slow proxy half a minute.
    timeout = seconds + warmup + 20 + idle / 100
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"sender: {done.stderr.strip()}")
    return Latency(**json.loads(done.stdout))


@contextmanager
def held_idle(port: int, count: int, path: str = "/small") -> Iterator[int]:
    """Holds idle connections that have each had one answer; yields how many came about."""
    argv = pinned(LOAD_CORE, [str(build()), str(port), path, "hold", str(count)])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            yield json.loads(holder.stdout.readline())["idle"]
        finally:
            holder.communicate(timeout=30)
