"""Does everything still work? A second of load on gwproxy and nginx, one proof of each other."""

from __future__ import annotations

import os
import platform
from contextlib import ExitStack

from bench import peers, rounds, wrk
from bench.course import Contender, Course, Limits
from bench.peers import PEERS, ROOT, Peer

LOADED = ("gwproxy", "nginx")


def run(python: str) -> int:
    """Exit status: 0 when all that is here answered 2xx only and nobody is missing who must be here, 1 otherwise."""
    present, clean = _present(python)
    loaded = [c for c in present if c.name in LOADED]
    others = [c for c in present if c.name not in LOADED]
    limits = Limits(rounds=1, seconds=1, warmup_s=1)
    with Course(loaded, limits, print) as course:
        result = rounds.measure(course, wrk.Load("/small"))
        for contender in loaded:
            samples = result.samples.get(contender.name, [])
            clean &= bool(samples) and not any(sample.faults for sample in samples)
    with Course(others, limits, print) as course, ExitStack() as stack:
        clean &= len(course.proven(stack)) == len(others)
    print("bench: smoke", "passed" if clean else "FAILED")
    return 0 if clean else 1


def _present(python: str) -> tuple[list[Contender], bool]:
    """Who is here, and whether all who must be are."""
    found, clean = [], True
    for name, peer in PEERS.items():
        if why := peers.missing(peer, python, ROOT):
            must = must_be_here(peer, platform.machine())
            print(f"bench: {name} is missing{', and must not be' if must else ''}: {why}")
            clean &= not must
        else:
            found.append(Contender(name, peer, python, ROOT))
    return found, clean


def must_be_here(peer: Peer, machine: str) -> bool:
    """gwproxy always; where CI promises that nothing is left out, everybody who can be had for this architecture."""
    return peer.name == "gwproxy" or (os.environ.get("CI") == "true" and peer.to_be_had(machine))
