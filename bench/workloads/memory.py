"""What the workloads about memory share: a fresh proxy, warmed up, its resident size watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench import wrk
from bench.course import Contender, Course, Running
from bench.origin import MIB
from bench.process import Child
from bench.report import table
from bench.workloads.base import Outcome

# A reading of /proc costs a millisecond or two; more often would slow the slow side's pace.
INTERVAL_S = 0.05


@dataclass(slots=True)
class Resident:
    """Resident bytes of a proxy: before the load, and the most that was seen under it."""

    child: Child
    before: int = 0
    peak: int = 0
    _next: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        self.before = self.peak = self.child.rss()

    def watch(self) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + INTERVAL_S
            self.peak = max(self.peak, self.child.rss())

    @property
    def growth(self) -> int:
        return self.peak - self.before


def mib(size: float) -> str:
    return f"{size / MIB:,.1f} MiB"


def warm_up(running: Running) -> None:
    """Pools, caches and lazy imports belong to the size before, not to the growth."""
    wrk.run(wrk.Load("/small"), running.port, 1)


def for_each(
    course: Course,
    head: list[str],
    measure: Callable[[Course, Contender], tuple[list[str], dict[str, object]]],
) -> Outcome:
    """A row for each contender; one that fails is noted and makes the outcome unclean."""
    rows, figures, clean = [], {}, True
    for contender in course.contenders:
        try:
            cells, found = measure(course, contender)
        except Exception as error:  # one proxy's failure must not take the others along
            course.note(f"{contender.name}: {type(error).__name__}: {error}")
            clean = False
            continue
        if fault := found.get("fault"):
            course.note(f"{contender.name}: {fault}")
            clean = False
        rows.append([contender.name, *cells])
        figures[contender.name] = found
        course.say(f"  {contender.name}: {', '.join(cells)}")
    return Outcome(table(["proxy", *head], rows), figures, clean)
