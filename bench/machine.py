"""What the figures were made on, and whether it was quiet enough to believe them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.process import can_pin, cpu_seconds, descendants

# Share of a core that may be taken from us by the hypervisor or used by others.
STEAL_LIMIT = 0.02
FOREIGN_LIMIT = 0.10

PYTHON_FACTS = """
import json, platform, sys, sysconfig
args = sysconfig.get_config_var("CONFIG_ARGS") or ""
flags = " ".join(str(sysconfig.get_config_var(n) or "")
    for n in ("PY_CFLAGS_NODIST", "PY_LDFLAGS_NODIST", "PY_CORE_LDFLAGS"))
versions = {}
from importlib import metadata
for name in ("aiohttp", "uvloop", "httptools", "msgspec"):
    try: versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError: versions[name] = None
print(json.dumps({
    "version": sys.version.replace(chr(10), " "),
    "enable_optimizations": "--enable-optimizations" in args,
    "with_lto": "--with-lto" in args,
    "flags_show_profile": "-fprofile-use" in flags,
    "flags_show_lto": "-flto" in flags,
    "packages": versions,
}))
"""


@dataclass(frozen=True, slots=True)
class Ticks:
    """One reading of a core's clock ticks."""

    busy: int
    idle: int
    steal: int

    @property
    def total(self) -> int:
        return self.busy + self.idle + self.steal


def read_ticks() -> dict[int, Ticks]:
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *rest = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, idle, wait, irq, soft, steal = map(int, rest[:8])
            busy = user + nice + system + irq + soft
            found[int(name[3:])] = Ticks(busy, idle + wait, steal)
    return found


def shares(before: Ticks, after: Ticks) -> tuple[float, float]:
    """Busy share of what a core had to give between two readings, and the share stolen from it."""
    total = max(1, after.total - before.total)
    stolen = after.steal - before.steal
    return (after.busy - before.busy) / max(1, total - stolen), stolen / total


def foreign_seconds() -> dict[int, float]:
    """Processor seconds so far of every process that this bench did not start."""
    own = {os.getpid(), *descendants(os.getpid())}
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid: cpu_seconds(pid) for pid in pids if pid not in own}


def foreign_share(before: dict[int, float], after: dict[int, float], seconds: float) -> float:
    """Cores' worth that other people's processes took; one born since then counts in full."""
    return sum(used - before.get(pid, 0.0) for pid, used in after.items()) / seconds


def foreign_load(seconds: float = 1.0) -> float:
    """How busy the busiest core is before anything of ours runs."""
    before = read_ticks()
    time.sleep(seconds)
    after = read_ticks()
    return max(shares(before[core], after[core])[0] for core in before)


def complaints() -> list[str]:
    """What of the bench's ground is missing, in words for the reader."""
    found = []
    if shutil.which("taskset") is None:
        found.append("taskset is missing: nothing is pinned, figures do not compare")
    if (os.cpu_count() or 1) < 2:
        found.append("fewer than two cores: proxy and load share one, figures do not compare")
    if shutil.which("wrk") is None:
        found.append("wrk is missing: no throughput can be measured")
    if shutil.which("nginx") is None:
        found.append("nginx is missing: there is no origin, nothing can be measured")
    return found


def describe(python: str) -> dict[str, object]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "pinned": can_pin(),
        "kernel": platform.release(),
        "system": _system_name(),
        "python": python_facts(python),
    }


def python_facts(python: str) -> dict[str, object]:
    done = subprocess.run([python, "-c", PYTHON_FACTS], capture_output=True, text=True, timeout=20)
    return json.loads(done.stdout) if done.returncode == 0 else {"version": "unknown"}


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return platform.system()
