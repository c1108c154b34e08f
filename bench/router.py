"""What a match costs, and how long compiling may hold a loop: `python -m bench.router`.

No sockets and no peers: the router alone, on this process's core. Figures are medians over rounds in which every
table has its turn, so that a slow moment meets all of them; the ratios are taken within rounds.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Iterable

from gwproxy.config.load import loads
from gwproxy.errors import GatewayError
from gwproxy.runtime.collector import THRESHOLDS, undisturbed
from gwproxy.runtime.messages import packed, unpacked
from gwproxy.runtime.worker import Worker, release
from gwproxy.snapshot.compile import compile, compile_slices
from gwproxy.snapshot.router import Router
from gwproxy.wire.fields import REQUESTS, Fields, parse_fields

ROUNDS = 15
ASKS = 2000
DEEP = 13
HEAD = b"Host: a.test\r\nUser-Agent: bench\r\nAccept: */*"
# Design section 7: what the ratios must not pass.
MANY_TO_FEW = 2.0
WORST_TO_FEW = 10.0
COMPILE_S = 1.0
SLICE_S = 0.020


def table(paths: Iterable[str]) -> str:
    """A file of GET routes, each with a fixed answer."""
    return "\n".join(f'[[routes]]\npath = "{path}"\nmethods = ["GET"]\nrespond = {{}}' for path in paths)


def ordinary(count: int) -> list[str]:
    """Routes as people write them: a collection, one of it, and what is below."""
    kinds = ("/api/r{0}", "/api/r{0}/:id", "/api/r{0}/search", "/api/r{0}/:id/parts", "/files/r{0}/*")
    return [kinds[n % 5].format(n // 5) for n in range(count)]


def competing(count: int) -> list[str]:
    """Routes that meet at one place, where literals and parameters both go on."""
    return [f"/{'api' if n % 2 else ':tenant'}/r{n // 2}/:id" for n in range(count)]


def worst() -> list[str]:
    """All 8,192 ways to write thirteen segments as `a` or `:x`."""
    ways = itertools.product((False, True), repeat=DEEP)
    return ["".join(f"/:x{n}" if param else "/a" for n, param in enumerate(way)) for way in ways]


def seconds_a_match(
    router: Router, asks: list[tuple[bytes, bytes]], fields: Fields, hosts: list[bytes]
) -> float:
    """Of one match, over all of `asks` (method, path) in turn, each time for the next of `hosts`."""
    match = router.match
    chosen = [(host, *asks[n % len(asks)]) for n, host in enumerate(hosts)]
    begun = time.perf_counter()
    for host, method, path in chosen:
        try:
            match(host, method, path, fields)
        except GatewayError:
            pass
    return (time.perf_counter() - begun) / len(chosen)


def timed_slices(text: str) -> tuple[float, float, int]:
    """Seconds of the whole compilation and of its longest slice, and how many slices there were."""
    loaded = loads(text)
    gc.set_threshold(*THRESHOLDS)
    slices = compile_slices(loaded)
    snapshot = None
    whole = longest = 0.0
    count = 0
    while snapshot is None:
        begun = time.perf_counter()
        with undisturbed():
            try:
                next(slices)
            except StopIteration as end:
                # Held, so that the time it takes to free it is not counted here.
                snapshot = end.value
        took = time.perf_counter() - begun
        whole, longest, count = whole + took, max(longest, took), count + 1
    return whole, longest, count


def timed_release(text: str) -> float:
    """Seconds of the longest turn in which what has been replaced is freed."""

    async def turns() -> float:
        worker = Worker(loads(text))
        ready = await worker.prepare(unpacked(packed(loads(text))))
        routes = ready.routes()
        begun = time.perf_counter()
        del ready
        longest = time.perf_counter() - begun
        for _ in release(routes):
            longest = max(longest, time.perf_counter() - begun)
            begun = time.perf_counter()
        return longest

    return asyncio.run(turns())


def numbers(count: int) -> range:
    """Which collections are asked for: twenty, spread over all there are."""
    return range(0, count, max(1, count // 20))


def tables() -> dict[str, tuple[list[str], list[tuple[bytes, bytes]]]]:
    """Name → routes, and what is asked of them."""
    found = {}
    for count in (10, 10_000):
        asks = [
            (b"GET", path % n)
            for n in numbers(count // 5)
            for path in (b"/api/r%d", b"/api/r%d/7", b"/files/r%d/x/y")
        ]
        found[f"{count:,} ordinary"] = ordinary(count), asks
    found["10,000 competing"] = competing(10_000), [(b"GET", b"/api/r%d/7" % n) for n in numbers(5000)]
    deep = worst()
    found["worst, all match"] = deep, [(b"GET", b"/a" * DEEP)]
    found["worst, half match"] = deep, [(b"GET", b"/b" + b"/a" * (DEEP - 1))]
    found["worst, one matches"] = deep, [(b"GET", b"/b" * DEEP)]
    found["worst, none matches"] = deep, [(b"GET", b"/a" * (DEEP - 1) + b"/")]
    found["worst, wrong method"] = deep, [(b"POST", b"/a" * DEEP)]
    return found


def measure_matches(*, remembered: bool) -> dict[str, list[float]]:
    """Seconds of a match, a list of rounds for each table.

    A router may remember what it was asked lately; with a host that never comes again it can't.
    """
    fresh = (b"h%d.test" % n for n in itertools.count())
    fields = parse_fields(HEAD, REQUESTS)
    routers: dict[int, Router] = {}
    courses = []
    for name, (paths, asks) in tables().items():
        key = hash(tuple(paths))
        if key not in routers:
            routers[key] = compile(loads(table(paths))).router
        courses.append((name, routers[key], asks))
    rounds: dict[str, list[float]] = {name: [] for name, _, _ in courses}
    for number in range(ROUNDS + 1):
        for name, router, asks in courses:
            hosts = [b"a.test"] * ASKS if remembered else list(itertools.islice(fresh, ASKS))
            took = seconds_a_match(router, asks, fields, hosts)
            if number:  # the first round warms up
                rounds[name].append(took)
    return rounds


def report_matches(title: str, rounds: dict[str, list[float]]) -> list[str]:
    """Print one table of matches; which of them passed their bounds."""
    few = rounds["10 ordinary"]
    missed = []
    print(f"{title:<24}{'µs':>10}{'× 10 routes':>14}{'bound':>8}")
    for name, took in rounds.items():
        ratio = statistics.median(mine / base for mine, base in zip(took, few, strict=True))
        bound = WORST_TO_FEW if name.startswith("worst") else MANY_TO_FEW
        print(f"{name:<24}{statistics.median(took) * 1e6:>10.2f}{ratio:>14.2f}{bound:>8.0f}")
        if ratio > bound:
            missed.append(f"{title}: {name}")
    print()
    return missed


def main() -> int:
    """Print everything; 1 when a target was missed."""
    print(f"Python {platform.python_version()} ({platform.python_compiler()}), {ROUNDS} rounds\n")
    missed = report_matches("a path never asked", measure_matches(remembered=False))
    # What is remembered is a look-up, so there the ratios say little; they are shown, and bound nothing.
    report_matches("a path asked again", measure_matches(remembered=True))
    print(f"{'compiling':<24}{'s':>10}{'longest ms':>14}{'slices':>8}{'freeing: longest ms':>22}")
    for name, paths in {
        "10,000 ordinary": ordinary(10_000), "10,000 competing": competing(10_000), "worst": worst(),
    }.items():  # fmt: skip
        whole, longest, count = timed_slices(table(paths))
        freeing = timed_release(table(paths))
        print(f"{name:<24}{whole:>10.2f}{longest * 1000:>14.1f}{count:>8}{freeing * 1000:>22.1f}")
        if whole > COMPILE_S or max(longest, freeing) > SLICE_S:
            missed.append(f"compiling: {name}")
    print("\nmissed: " + ", ".join(missed) if missed else "\nall within their bounds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
