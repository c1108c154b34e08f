"""Memory of an idle keep-alive connection: 10,000 that have each had one answer."""

from __future__ import annotations

import time

from bench import sender
from bench.course import Contender, Course
from bench.workloads.base import Outcome, Workload
from bench.workloads.memory import for_each, mib, warm_up

CONNECTIONS = 10_000


def _measure(course: Course, contender: Contender) -> tuple[list[str], dict[str, object]]:
    running = course.start(contender)
    try:
        warm_up(running)
        before = running.child.rss()
        with sender.held_idle(running.port, CONNECTIONS) as opened:
            time.sleep(0.5)
            after = running.child.rss()
    finally:
        running.child.stop()
    each = (after - before) / max(1, opened)
    fault = "" if opened == CONNECTIONS else f"only {opened} of {CONNECTIONS} were served"
    found: dict[str, object] = {"before": before, "opened": opened, "each": each, "fault": fault}
    return [mib(before), f"{opened:,}", f"{each / 1024:.2f} KiB"], found


def _run(course: Course) -> Outcome:
    return for_each(course, ["RSS before", "held", "each"], _measure)


WORKLOAD = Workload("idle", "10,000 idle keep-alive connections: memory of each", _run)
