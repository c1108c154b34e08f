"""What a million callers cost this process: `python -m bench.million [CALLERS]`.

Each asks once, over three limits of which two are its own, in memory. Printed is by how much the resident memory has
grown, and the longest that one check took: what holds the loop for so long that others notice.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import Final, NamedTuple

from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.memory import MemoryStore
from gwproxy.limits.spec import LimitSpec
from gwproxy.runtime.collector import THRESHOLDS
from gwproxy.wire.request import FieldsOfRequest, RequestHead

CALLERS: Final = 1_000_000
MIB: Final = 1 << 20
SWEEP_EACH: Final = 1000
"""Checks between two sweeps, which a gateway does ten times a second: 10,000 requests a second."""
SPECS: Final = (
    LimitSpec("global", "global", "hard", 10**9, 3600_000_000),
    LimitSpec("tier:anonymous", "anonymous", "exact", 600, 3600_000_000, "principal", told=True),
    LimitSpec("limit:x.default", "default", "exact", 100, 3600_000_000, "principal", told=True),
)
"""Windows that do not end meanwhile: nobody is forgotten."""
HEAD: Final = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)


class Found(NamedTuple):
    """`grown` in bytes, `longest_s` of one check, `callers` that each of their own limits knows."""

    grown: int
    longest_s: float
    callers: tuple[int, ...]


def address_of(number: int) -> str:
    """One of 2**24."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def resident() -> int:
    """This process's memory, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def measured(callers: int) -> Found:
    """So many ask once each."""
    store = MemoryStore()
    plan = store.plan(SPECS, 64)
    store.settle_in()
    # As the gateway has it.
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    gc.freeze()
    before, longest = resident(), 0.0
    for number in range(callers):
        exchange = Exchange(HEAD, Sender(address_of(number)), 0.0)
        began = time.perf_counter()
        refused = plan.check(exchange)
        longest = max(longest, time.perf_counter() - began)
        assert refused is None
        if number % SWEEP_EACH == 0:
            store.sweep()
    grown = resident() - before
    known = tuple(len(store._levels[spec.key]) for spec in SPECS if spec.by)
    return Found(grown, longest, known)


def main() -> None:
    """Measure and print."""
    callers = int(sys.argv[1]) if len(sys.argv) > 1 else CALLERS
    found = measured(callers)
    print(f"callers known by each limit: {', '.join(map(str, found.callers))}")
    print(f"memory: {found.grown / MIB:.0f} MiB")
    print(f"longest check: {found.longest_s * 1000:.1f} ms")


if __name__ == "__main__":
    main()
