"""Signals that wait for whoever can heed them: over the start of a process, and over execve(2).

This module imports next to nothing: the first 100 ms of a process go into loading what handles signals, and one that
came meanwhile would end it. What is blocked stays pending in the kernel, and a block outlives execve.
"""

from __future__ import annotations

import signal
from typing import Final

HELD_BACK: Final = (
    signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


def hold_back() -> None:
    """From here the calling thread hears none of them.

    A process holds a signal back only where every thread of it does: other threads call this when they begin.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)


def hear() -> None:
    """What came in between is heard now, by the handlers that are set."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
