"""When Python may look for garbage: a full collection over 10,000 connections stops the loop for 30 ms and more."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

# The way of a request makes no cycles. What others leave behind is found in the idle moments below.
THRESHOLDS: Final = (50_000, 50, 1_000)
IDLE_S: Final = 10.0


@contextmanager
def undisturbed() -> Iterator[None]:
    """Make many objects that are to stay without their being walked over, now or by the collections to come.

    A slice of a compilation would take twice as long. Freezing costs the same however much there is.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


class Collector:
    """Freezes what is there to stay, and collects all generations only while no requests come."""

    def __init__(self) -> None:
        self._thaw = False
        self.longest_s = 0.0
        self.full = 0
        self._started = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._before = gc.get_threshold()

    def start(self, activity: Callable[[], int]) -> None:
        """Take over from Python's own timing. `activity` grows with every request."""
        gc.callbacks.append(self._seen)
        gc.set_threshold(*THRESHOLDS)
        gc.collect()
        gc.freeze()
        self._watch(activity, activity())

    def _watch(self, activity: Callable[[], int], before: int) -> None:
        now = activity()
        if now == before:
            self._clean()
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(IDLE_S, self._watch, activity, now)

    def replaced(self) -> None:
        """What was frozen has been replaced: the next idle moment looks through all of it."""
        self._thaw = True

    def _clean(self) -> None:
        if self._thaw:
            gc.unfreeze()
        gc.collect()
        if self._thaw:
            gc.freeze()
            self._thaw = False

    def _seen(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
            return
        self.longest_s = max(self.longest_s, time.perf_counter() - self._started)
        self.full += info["generation"] == 2

    def stop(self) -> None:
        """Give Python's own timing back."""
        if self._handle is not None:
            self._handle.cancel()
        gc.callbacks.remove(self._seen)
        gc.set_threshold(*self._before)
        gc.unfreeze()
