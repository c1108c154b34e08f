"""Does everything still work? A second of load on some, one proof of each other, a look at what proofs cost."""

from __future__ import annotations

import os
import platform
from contextlib import ExitStack

import uvloop

from bench import auth, peers, rounds, wrk
from bench.course import Contender, Course, Limits
from bench.peers import PEERS, ROOT, VARIANTS, Peer

LOADED = ("gwproxy", "nginx")
PROVING = ("gwproxy-all", "gwproxy-auth")
"""Loaded too, by callers with a token each."""
ALL = PEERS | {name: peer for name, peer in VARIANTS.items() if peer.token}


def run(python: str) -> int:
    """Exit status: 0 when all that is here answered 2xx only and nobody is missing who must be here, 1 otherwise."""
    present, clean = _present(python)
    others = [c for c in present if c.name not in (*LOADED, *PROVING)]
    limits = Limits(rounds=1, seconds=1, warmup_s=1)
    clean &= _loaded([c for c in present if c.name in LOADED], limits, wrk.Load("/small"))
    varied = wrk.Load("/varied/", script="varied.lua", many=True)
    clean &= _loaded([c for c in present if c.name in PROVING], limits, varied)
    with Course(others, limits, print) as course, ExitStack() as stack:
        clean &= len(course.proven(stack)) == len(others)
    # It raises where somebody is not let in; its figures are of too few to be told.
    uvloop.run(auth.in_one_process(1, auth.Counts(200, 20, 20), lambda line: None))
    print("bench: smoke", "passed" if clean else "FAILED")
    return 0 if clean else 1


def _loaded(contenders: list[Contender], limits: Limits, load: wrk.Load) -> bool:
    """Whether everybody answered 2xx only."""
    with Course(contenders, limits, print) as course:
        samples = rounds.measure(course, load).samples
    return all(
        samples.get(contender.name) and not any(sample.faults for sample in samples[contender.name])
        for contender in contenders
    )


def _present(python: str) -> tuple[list[Contender], bool]:
    """Who is here, and whether all who must be are."""
    found, clean = [], True
    for name, peer in ALL.items():
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
