"""What a workload is, and the kind that most are: rounds of wrk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import rounds, wrk
from bench.course import Course
from bench.peers import VARIANTS
from bench.report import throughput_table

REFERENCES = ("nginx", "envoy", "traefik", "naive")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A workload's table, its figures for the JSON file, and whether nothing failed."""

    lines: list[str]
    figures: dict[str, object]
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Workload:
    """`proves`: whether its callers can prove who they are, so that peers which want that can be measured."""

    name: str
    about: str
    run: Callable[[Course], Outcome]
    proves: bool = False


def by_wrk(name: str, about: str, load: wrk.Load) -> Workload:
    return Workload(name, about, lambda course: _outcome(course, load), proves=True)


def _outcome(course: Course, load: wrk.Load) -> Outcome:
    result = rounds.measure(course, load)
    names = [contender.name for contender in course.contenders]
    # Two checkouts of gwproxy are compared with each other, whoever else runs.
    references = tuple(n for n in names if n.startswith("gwproxy@")) or REFERENCES
    if VARIANTS.keys() & set(names):
        # Envoy with something more is what gwproxy with something more is compared with.
        others = (n for n in names if n in VARIANTS and n.startswith("envoy"))
        references = ("gwproxy", *references, *others)
    clean = set(names) == set(result.samples) and all(
        not sample.faults for found in result.samples.values() for sample in found
    )
    return Outcome(throughput_table(result, references), result.as_json(), clean)
