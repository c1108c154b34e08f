"""Runs wrk for one round and reads its report. Any error in it voids the round."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import tokens
from bench.process import LOAD_CORE, pinned

UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
SCRIPTS = Path(__file__).parent / "workloads"


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends. The script's name is a file in bench/workloads/, which gets `args`.

    `many`: whether the script takes a file of tokens, and gives each request the next one.
    """

    path: str
    connections: int = 64
    script: str | None = None
    headers: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    many: bool = False

    def with_token(self, folder: Path) -> Load:
        """The same from callers who prove who they are: all requests by one token, or by many in turn."""
        if self.many:
            return replace(self, args=(str(tokens.write(folder / "tokens")),))
        return replace(self, headers=(*self.headers, tokens.line(tokens.KNOWN)))


@dataclass(frozen=True, slots=True)
class Report:
    """One run of wrk; rates per second, latencies in seconds (closed loop: not for comparison)."""

    rate: float
    requests: int
    p50_s: float
    p99_s: float
    faults: str = ""


def run(load: Load, port: int, seconds: float) -> Report:
    argv = _argv(load, port, seconds)
    done = subprocess.run(pinned(LOAD_CORE, argv), capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode:
        return Report(0, 0, 0, 0, f"wrk: {done.stderr.strip()[-200:]}")
    return parse(done.stdout)


def _argv(load: Load, port: int, seconds: float) -> list[str]:
    program = shutil.which("wrk")
    if program is None:
        raise FileNotFoundError("wrk")
    # wrk knows whole seconds only.
    argv = [program, "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    argv += ["--timeout", "10s"]
    if load.script:
        argv += ["-s", str(SCRIPTS / load.script)]
    for header in load.headers:
        argv += ["-H", header]
    argv.append(f"http://127.0.0.1:{port}{load.path}")
    return [*argv, "--", *load.args] if load.args else argv


def parse(text: str) -> Report:
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.M)
    requests = re.search(r"^\s*(\d+) requests in ", text, re.M)
    if not rate or not requests:
        return Report(0, 0, 0, 0, "wrk's report could not be read")
    counted = int(requests[1])
    faults = _faults(text) or ("" if counted else "no request was answered")
    return Report(float(rate[1]), counted, _percentile(text, "50"), _percentile(text, "99"), faults)


def _faults(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines()]
    return "; ".join(s for s in lines if s.startswith(("Socket errors:", "Non-2xx")))


def _percentile(text: str, which: str) -> float:
    found = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s|m|h)\s*$", text, re.M)
    return float(found[1]) * UNITS_S[found[2]] if found else 0.0
