"""Which processes a set-up has, and which of some still run."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.support.store_process import StoreProcesses


def alive(pids: list[int]) -> list[int]:
    """Those that run; one that has ended may wait for whoever inherited it to take notice."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.append(pid)
    return found


def pids_of(setup: StoreProcesses) -> list[int]:
    return [each.process.pid for each in setup.processes if each.process is not None]
