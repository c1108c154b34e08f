"""When a worker that ended is replaced: at once the first time, later and later when it goes on."""

from __future__ import annotations

from typing import Final

LIVED_S: Final = 10.0
"""Who lived for that long ended for a reason of its own, and not for one of its start."""
FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0


class Restarts:
    """The ends of the workers of one place, one after another."""

    def __init__(self) -> None:
        self.count = 0
        self._early = 0

    def delay_s(self, lived_s: float) -> float:
        """A worker has ended after `lived_s` seconds: how long its successor waits."""
        self.count += 1
        self._early = self._early + 1 if lived_s < LIVED_S else 1
        return 0.0 if self._early == 1 else min(FIRST_S * 2 ** (self._early - 2), LONGEST_S)
