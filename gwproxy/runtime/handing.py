"""Connections on their way from one worker to another.

Their old worker has let go of them, and until the new one says that it has them, the supervisor keeps them open: what
a worker that ends has not taken goes to another. Exactly one process serves a connection at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final, Protocol

AT_ONCE: Final = 64
"""Connections given to one worker before the next is looked at."""


class Taker(Protocol):
    """A worker, as far as it can be given connections."""

    @property
    def load(self) -> int:
        """Connections that it has, counting what it is being given."""

    @property
    def fresh(self) -> bool:
        """Whether it has been heard of just now."""

    def adopt(self, fds: list[int]) -> None:
        """Serve these connections, whose descriptors are its to close."""


class Hands:
    """Those that no worker has, and who could take them."""

    def __init__(self, takers: Callable[[], Iterable[Taker]]) -> None:
        self._takers = takers
        self.orphans: list[int] = []

    def take(self, fds: Iterable[int]) -> None:
        """These want another worker."""
        self.orphans += fds
        self.place()

    def place(self) -> None:
        """Give all to whoever has the fewest, and turns; where nobody serves they wait."""
        there = list(self._takers())
        # One that stands still may come round, but nobody has to wait for that.
        there = [taker for taker in there if taker.fresh] or there
        if not there:
            return
        orphans, self.orphans = self.orphans, []
        for at in range(0, len(orphans), AT_ONCE):
            min(there, key=lambda one: one.load).adopt(orphans[at : at + AT_ONCE])

    def close(self) -> None:
        """Close all that nobody has."""
        for fd in self.orphans:
            os.close(fd)
        self.orphans.clear()
