"""Counts what an exchange makes Python do. Everything here is the same in every run, on every machine.

Warmed up first, so that what is remembered (field lines, paths, inline caches) is there; clocks and ids go by fixed
steps (bench.exchange.Road); a figure is a mean over enough exchanges that a millisecond's turn weighs its share.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from types import FrameType
from typing import Any, Final

from bench import exchange
from bench.exchange import Road, Route
from gwproxy.runtime.collector import THRESHOLDS
from gwproxy.wire.fields import ANSWERS, REQUESTS

WARM: Final = 240
COUNTED: Final = 400
MANY: Final = 10_000
_OUTSIDE: Final = exchange.__file__
"""The road itself is no part of the exchange: what it calls counts, what it does doesn't."""


async def measure(route: Route) -> dict[str, float]:
    """Calls, bytecodes, objects and bytes an exchange."""
    found: dict[str, float] = {}
    async with Road(route, fixed_time=True) as road:
        await road.prime(road.asked(WARM))
        found["calls"] = _calls(road)
        found["bytecodes"] = _bytecodes(road)
        found["objects"] = _objects(road)
        found["peak_bytes"] = _peak_bytes(road)
        road.check(WARM + 3 * COUNTED + 2 * WARM)
    return found


def _calls(road: Road) -> float:
    exchanges = road.asked(COUNTED)
    counted = 0

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal counted
        if event == "call":
            # Of coroutines each time they are resumed.
            counted += frame.f_code.co_filename != _OUTSIDE
        elif event == "c_call":
            counted += frame.f_code.co_filename not in (_OUTSIDE, __file__)

    sys.setprofile(profile)
    road.serve(exchanges)
    sys.setprofile(None)
    return counted / COUNTED


def _bytecodes(road: Road) -> float:
    exchanges = road.asked(COUNTED)
    counted = 0

    def count(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal counted
        counted += event == "opcode"
        return count

    def enter(frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename == _OUTSIDE:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return count

    sys.settrace(enter)
    road.serve(exchanges)
    sys.settrace(None)
    return counted / COUNTED


def _objects(road: Road) -> float:
    """Blocks of memory that an exchange holds while the service works on it, or that a whole one leaves (then 0)."""
    exchanges = road.asked(COUNTED)
    held = []
    for steps in exchanges:
        before = sys.getallocatedblocks()
        road.serve([steps[:1]])
        # What has ended is kept until it is counted, some at a time.
        road.worker.settle()
        held.append(sys.getallocatedblocks() - before)
        road.serve([steps[1:]])
        road.worker.settle()
    # The middle one: a table that grows just then is not the exchange's.
    return float(sorted(held)[COUNTED // 2])


def _peak_bytes(road: Road) -> float:
    """The most that is allocated at once during an exchange."""
    exchanges = road.asked(2 * WARM)
    peaks = []
    tracemalloc.start()
    road.serve(exchanges[:WARM])
    for steps in exchanges[WARM:]:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        road.serve([steps])
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return float(sorted(peaks)[WARM // 2])


async def leftover(route: Route) -> dict[str, int]:
    """What thousands of exchanges leave: blocks of memory, garbage in cycles, full collections on the way."""
    full = 0

    def seen(phase: str, about: dict[str, Any]) -> None:
        nonlocal full
        full += phase == "start" and about["generation"] == 2

    async with Road(route, fixed_time=True) as road:
        gc.set_threshold(*THRESHOLDS)
        # The first half gives tables their full size; emptied, they keep it.
        exchanges = road.asked(MANY // 2)
        gc.callbacks.append(seen)
        await road.prime(exchanges[:WARM])
        road.serve(exchanges[WARM:])
        gc.callbacks.remove(seen)
        _forget(road)
        road.connect()
        exchanges = road.asked(MANY // 2)
        road.serve(exchanges[:WARM])
        _forget(road)
        # What else it does here: it empties Python's lists of free tuples, which the tables have filled.
        gc.collect()
        gc.freeze()
        gc.callbacks.append(seen)
        before = sys.getallocatedblocks()
        road.serve(exchanges[WARM:])
        gc.callbacks.remove(seen)
        _forget(road)
        unreachable = gc.collect()
        blocks = sys.getallocatedblocks() - before
        gc.unfreeze()
        road.check(MANY)
    return {"blocks": blocks, "unreachable": unreachable, "full": full}


def _forget(road: Road) -> None:
    """Empty what is remembered on purpose, within bounds: else it would look like a leak as long as it fills."""
    REQUESTS.lines.clear()
    ANSWERS.lines.clear()
    road.worker.server.bound.snapshot.router._recent.clear()
    # Buckets of durations, of which there are some hundreds at the most.
    road.worker.counters.by_service.clear()
