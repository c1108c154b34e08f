"""Memory under 500 readers who each take a large body slowly."""

from __future__ import annotations

from bench import pacing
from bench.course import Contender, Course
from bench.workloads.base import Outcome, Workload
from bench.workloads.memory import Resident, for_each, mib, warm_up

READERS = 500


def _measure(course: Course, contender: Contender) -> tuple[list[str], dict[str, object]]:
    running = course.start(contender)
    try:
        warm_up(running)
        resident = Resident(running.child)
        seconds = 5.0 if course.limits.quick else 15.0
        fault = pacing.slow_readers(running.port, "/64m", READERS, seconds, resident.watch)
    finally:
        running.child.stop()
    found = {"before": resident.before, "growth": resident.growth, "fault": fault}
    return [mib(resident.before), mib(resident.growth)], found


def _run(course: Course) -> Outcome:
    return for_each(course, ["RSS before", f"growth under {READERS} slow readers"], _measure)


WORKLOAD = Workload("slow", "500 slow readers of a 64 MiB body: growth of memory", _run)
