"""Latency at fixed arrival rates, open loop, while 10,000 idle connections are held.

Rates are shares of Envoy's peak in the same run, so that all proxies are asked the same.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from bench import machine, sender, wrk
from bench.course import Course, Running
from bench.report import table
from bench.stats import spread
from bench.workloads.base import Outcome, Workload

SHARES = (0.25, 0.50, 0.75)
IDLE = 10_000
LEAST_SECONDS = 30.0
LEAST_SAMPLES = 100_000
HEAD = ["rate", "proxy", "p50", "p99", "p99.9", "max", "errors", "doubts"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of the sender, and what of the cores others had meanwhile."""

    seen: sender.Latency
    stolen: float
    foreign: float


def _run(course: Course) -> Outcome:
    sender.build()
    with ExitStack() as stack:
        running = course.proven(stack)
        peak, whose = _peak(course, running)
        course.say(f"  peak of {whose}: {peak:,.0f} requests/s")
        rows, figures = [], {}
        for share in SHARES:
            found = _at_rate(course, running, peak * share)
            figures[f"{share:.0%}"] = {n: [asdict(each) for each in f] for n, f in found.items()}
            rows += [_row(share, name, each) for name, each in found.items()]
    lines = [*table(HEAD, rows), f"(microseconds; shares of {whose}'s peak of {peak:,.0f}/s)"]
    clean = len(running) == len(course.contenders)
    return Outcome(lines, {"peak": peak, "peak_of": whose, "rates": figures}, clean)


def _peak(course: Course, running: list[Running]) -> tuple[float, str]:
    """Envoy's peak, or the slowest contender's where it is not there."""
    peaks = {}
    envoy = [each for each in running if each.name == "envoy"]
    for each in envoy or running:
        wrk.run(wrk.Load("/small"), each.port, course.limits.warmup_s)
        rates = [wrk.run(wrk.Load("/small"), each.port, 2).rate for _ in range(3)]
        found = spread(rates)
        peaks[each.name] = found.median if found else 0.0
    whose = min(peaks, key=lambda name: peaks[name])
    if not envoy:
        course.note(f"envoy is not measured: rates are shares of {whose}'s peak")
    return peaks[whose], whose


def _at_rate(course: Course, running: list[Running], rate: float) -> dict[str, list[Pass]]:
    """Interleaved passes over all contenders at one rate that the sender has proven to hold."""
    quick = course.limits.quick
    seconds = 3.0 if quick else max(LEAST_SECONDS, 1.05 * LEAST_SAMPLES / rate)
    alone = sender.send(course.origin_port, rate, 2.0)
    if not alone.held or alone.errors:
        course.note(
            f"{rate:,.0f}/s: the sender does not hold it against the origin alone "
            f"(lag p99 {alone.lag_p99:,.0f} µs): figures at this rate are void"
        )
    course.say(f"  {rate:,.0f}/s, origin alone: p50 {alone.p50:.0f} p99 {alone.p99:.0f} "
               f"max {alone.max:.0f} µs, sender's lag p99 {alone.lag_p99:.0f} µs")  # fmt: skip
    found: dict[str, list[Pass]] = {each.name: [] for each in running}
    for _ in range(1 if quick else 3):
        for each in running:
            found[each.name].append(_once(course, each, rate, seconds))
    return found


def _once(course: Course, each: Running, rate: float, seconds: float) -> Pass:
    before, others, start = machine.read_ticks(), machine.foreign_seconds(), time.monotonic()
    seen = sender.send(each.port, rate, seconds, idle=IDLE)
    after = machine.read_ticks()
    foreign = machine.foreign_share(others, machine.foreign_seconds(), time.monotonic() - start)
    stolen = max(machine.shares(before[core], after[core])[1] for core in before)
    course.say(f"    {each.name}: p50 {seen.p50:,.0f} p99 {seen.p99:,.0f} p99.9 {seen.p999:,.0f} "
               f"max {seen.max:,.0f} µs, {seen.samples:,} samples")  # fmt: skip
    return Pass(seen, stolen, foreign)


def _row(share: float, name: str, found: list[Pass]) -> list[str]:
    """Medians over the passes: one stolen slice of time must not decide p99.9."""

    def middle(field: str) -> str:
        value = spread([getattr(each.seen, field) for each in found])
        return f"{value.median:,.0f}" if value else "–"

    errors = sum(each.seen.errors for each in found)
    lost = max(each.seen.idle_lost for each in found)
    doubts = [f"{lost} idle lost"] * bool(lost)
    doubts += ["sender late"] * (not all(each.seen.held for each in found))
    stolen, foreign = max(each.stolen for each in found), max(each.foreign for each in found)
    doubts += [f"{stolen:.0%} stolen"] * (stolen > machine.STEAL_LIMIT)
    doubts += [f"{foreign:.0%} foreign"] * (foreign > machine.FOREIGN_LIMIT)
    cells = [middle(field) for field in ("p50", "p99", "p999", "max")]
    return [f"{share:.0%}", name, *cells, f"{errors:,}", ", ".join(doubts) or "–"]


WORKLOAD = Workload(
    "latency", "open loop at 25, 50, 75 % of Envoy's peak, 10,000 idle connections held", _run
)
