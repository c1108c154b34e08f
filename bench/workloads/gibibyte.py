"""Memory while 1 GiB passes with the slow side setting the pace, each way."""

from __future__ import annotations

from bench import pacing
from bench.course import Contender, Course
from bench.origin import GIB, MIB
from bench.workloads.base import Outcome, Workload
from bench.workloads.memory import Resident, for_each, mib, warm_up

# Far below what any proxy here moves, so that it is always the slow side which holds it back.
RATE = 100 * MIB
QUICK_SIZE = 64 * MIB


def _download(course: Course, contender: Contender) -> Resident:
    running = course.start(contender)
    try:
        warm_up(running)
        resident = Resident(running.child)
        path, size = ("/64m", QUICK_SIZE) if course.limits.quick else ("/gib", GIB)
        with pacing.get(running.port, path) as sock:
            fault = pacing.read_answer(sock, size, RATE, resident.watch)
    finally:
        running.child.stop()
    if fault:
        raise RuntimeError(f"download: {fault}")
    return resident


def _upload(course: Course, contender: Contender) -> Resident:
    sink = course.ports.take()
    with pacing.slow_sink(sink, RATE):
        running = course.start(contender, sink)
        try:
            pacing.upload(running.port, MIB, lambda: None)
            resident = Resident(running.child)
            size = QUICK_SIZE if course.limits.quick else GIB
            fault = pacing.upload(running.port, size, resident.watch)
        finally:
            running.child.stop()
    if fault:
        raise RuntimeError(f"upload: {fault}")
    return resident


def _measure(course: Course, contender: Contender) -> tuple[list[str], dict[str, object]]:
    down, up = _download(course, contender), _upload(course, contender)
    found = {
        "download_before": down.before,
        "download_growth": down.growth,
        "upload_before": up.before,
        "upload_growth": up.growth,
    }
    return [mib(down.before), mib(down.growth), mib(up.growth)], found


def _run(course: Course) -> Outcome:
    return for_each(course, ["RSS before", "growth by download", "growth by upload"], _measure)


WORKLOAD = Workload("gib", "1 GiB at a slow reader's pace, both ways: growth of memory", _run)
