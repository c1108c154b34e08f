"""The smallest set-up of several servers, to see what is kept of one: it is made in no time."""

from __future__ import annotations

from pathlib import Path

from tests.support.store_process import StoreProcesses


class Pair(StoreProcesses):
    """Two servers that know nothing of each other. Every command is slow for them, and logged."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for _ in range(2):
            self.add('save ""', "appendonly no", "slowlog-log-slower-than 0")
