"""Adjacent rounds of wrk over all contenders, with each core's share watched."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

from bench import machine, wrk
from bench.course import Course, Running
from bench.process import LOAD_CORE, PROXY_CORE
from bench.stats import VOID_SPREAD, spread

# Below this share of its core, a proxy was waiting for wrk or the origin.
CAPPED_BELOW = 0.93


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender in one round."""

    rate: float
    requests: int
    p50_s: float
    p99_s: float
    proxy_core: float
    load_core: float
    steal: float
    foreign: float
    # Processor time of the proxy per request, the kernel's included, stolen time and other
    # processes not: steadier than rates on a shared host, and true where it waited for the load.
    cpu_us: float
    faults: str = ""


@dataclass(slots=True)
class Throughput:
    """All rounds of one workload: name → one sample a round."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def rates(self, name: str) -> list[float | None]:
        """Rates by round; None where wrk saw an error."""
        return [None if s.faults else s.rate for s in self.samples[name]]

    def middle(self, name: str, field: str) -> float:
        """Median of a field over the sound rounds."""
        found = spread([getattr(s, field) for s in self.samples[name] if not s.faults])
        return found.median if found else 0.0

    def as_json(self) -> dict[str, object]:
        return {name: [asdict(s) for s in found] for name, found in self.samples.items()}


def measure(course: Course, load: wrk.Load) -> Throughput:
    result = Throughput()
    if course.wants_token:
        load = load.with_token(course.folder)
    with ExitStack() as stack:
        running = course.proven(stack)
        for each in running:
            wrk.run(load, each.port, course.limits.warmup_s)
            result.samples[each.name] = []
        for number in range(course.limits.rounds):
            for each in running:
                result.samples[each.name].append(_sample(course, load, each))
            course.say(f"  round {number + 1}: {_round_line(result)}")
    _judge(course, result)
    return result


def _sample(course: Course, load: wrk.Load, running: Running) -> Sample:
    before, others = machine.read_ticks(), machine.foreign_seconds()
    cpu_s = -running.child.cpu_seconds()
    report = wrk.run(load, running.port, course.limits.seconds)
    cpu_s += running.child.cpu_seconds()
    after = machine.read_ticks()
    foreign = machine.foreign_share(others, machine.foreign_seconds(), course.limits.seconds)
    proxy, stolen = machine.shares(before[PROXY_CORE], after[PROXY_CORE])
    other = LOAD_CORE if LOAD_CORE in before else PROXY_CORE
    load_core, stolen_too = machine.shares(before[other], after[other])
    faults = report.faults
    if not running.child.alive():
        faults = f"the proxy ended: {running.child.tail(200)}"
    if faults:
        course.note(f"{running.name}: a round is void: {faults}")
    return Sample(
        rate=report.rate,
        requests=report.requests,
        p50_s=report.p50_s,
        p99_s=report.p99_s,
        proxy_core=proxy,
        load_core=load_core,
        steal=max(stolen, stolen_too),
        foreign=foreign,
        cpu_us=1e6 * cpu_s / max(1, report.requests),
        faults=faults,
    )


def _round_line(result: Throughput) -> str:
    last = {name: found[-1] for name, found in result.samples.items()}
    return "  ".join(f"{n} {'void' if s.faults else f'{s.rate:,.0f}'}" for n, s in last.items())


def _judge(course: Course, result: Throughput) -> None:
    """Says what makes the figures doubtful: a noisy machine, or a proxy that was not the limit."""
    for name, found in result.samples.items():
        stolen = max((s.steal for s in found), default=0.0)
        if stolen > machine.STEAL_LIMIT:
            course.note(f"machine too noisy: up to {stolen:.0%} of a core was stolen ({name})")
        foreign = max((s.foreign for s in found), default=0.0)
        if foreign > machine.FOREIGN_LIMIT:
            course.note(f"machine too noisy: others took up to {foreign:.0%} of a core ({name})")
        own = spread([s.rate for s in found if not s.faults])
        if own and own.relative > VOID_SPREAD:
            course.note(f"machine noisy: {name} spread over {own.relative:.0%} between rounds")
