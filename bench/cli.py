"""The command line of the bench."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys

from bench import machine, peers, report, smoke
from bench.against import checkout
from bench.course import Contender, Course, Limits
from bench.peers import KNOWN, PEERS, ROOT
from bench.process import LOAD_CORE, can_pin
from bench.workloads import DEFAULT, WORKLOADS


def main(argv: list[str] | None = None) -> int:
    # A terminated run must end what it started, just as an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = _parser()
    args = parser.parse_args(argv)
    for text in machine.complaints():
        print(f"bench: {text}")
    if shutil.which("wrk") is None or peers.beside_python_or_on_path("nginx") is None:
        return 2
    if can_pin():
        # The slow readers run in this process; they are load, and the proxy's core is not theirs.
        os.sched_setaffinity(0, {LOAD_CORE})
    if args.nice:
        os.setpriority(os.PRIO_PROCESS, 0, args.nice)
    if args.smoke:
        return smoke.run(args.python)
    if args.workloads[0] == "against":
        return _against(parser, args)
    _check_names(parser, args.workloads)
    contenders = _contenders(parser, args)
    _check_tokens(parser, args.workloads, contenders)
    return measure(args, contenders)


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(f"  {w.name:<8} {w.about}" for w in WORKLOADS.values())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        usage="python -m bench [workload …] | against REV [workload …] | --smoke  [options]",
        description=f"workloads (default: {', '.join(DEFAULT)}; or all):\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", default=list(DEFAULT), metavar="workload")
    parser.add_argument("--peers", help="names, separated by commas; default: all that are there")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one round of one proxy")
    parser.add_argument("--quick", action="store_true", help="shorter, for a first look")
    parser.add_argument("--python", default=sys.executable, help="that runs gwproxy and naive")
    parser.add_argument("--nice", type=int, default=0, help="of all that is started; -10 on a shared host")
    parser.add_argument("--smoke", action="store_true", help="does everything work? under a minute")
    return parser


def _check_names(parser: argparse.ArgumentParser, names: list[str]) -> None:
    if names == ["all"]:
        names[:] = list(WORKLOADS)
    if unknown := [name for name in names if name not in WORKLOADS]:
        parser.error(f"unknown workload: {', '.join(unknown)}")


def _check_tokens(parser: argparse.ArgumentParser, names: list[str], contenders: list[Contender]) -> None:
    """Else all that was measured would be how quickly callers are refused."""
    wanting = [contender.name for contender in contenders if contender.peer.token]
    without = [name for name in names if not WORKLOADS[name].proves]
    if wanting and without:
        parser.error(f"{', '.join(without)}: has no tokens, which {', '.join(wanting)} wants")


def _limits(args: argparse.Namespace) -> Limits:
    rounds, seconds, warmup = (3, 2.0, 1.0) if args.quick else (7, 5.0, 2.0)
    return Limits(args.rounds or rounds, args.seconds or seconds, warmup, args.quick)


def _contenders(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[Contender]:
    names = args.peers.split(",") if args.peers else list(PEERS)
    if unknown := [name for name in names if name not in KNOWN]:
        parser.error(f"unknown peer: {', '.join(unknown)} (known: {', '.join(KNOWN)})")
    found = []
    for name in names:
        if why := peers.missing(KNOWN[name], args.python, ROOT):
            print(f"bench: {name} is left out: {why}")
        else:
            found.append(Contender(name, KNOWN[name], args.python, ROOT))
    return found


def _against(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if len(args.workloads) < 2:
        parser.error("against wants a revision")
    _, rev, *names = args.workloads
    args.workloads = names or list(DEFAULT)
    _check_names(parser, args.workloads)
    with checkout(rev) as (tree, name):
        sides = [("gwproxy@now", ROOT), (f"gwproxy@{name}", tree)]
        for side, where in sides:
            if not peers.gwproxy_version(args.python, where):
                print(f"bench: {side}: `python -m gwproxy version` fails")
                return 2
        contenders = [Contender(s, PEERS["gwproxy"], args.python, where) for s, where in sides]
        return measure(args, contenders)


def measure(args: argparse.Namespace, contenders: list[Contender]) -> int:
    limits = _limits(args)
    foreign = machine.foreign_load()
    if foreign > machine.FOREIGN_LIMIT:
        print(f"bench: machine too noisy: a core is {foreign:.0%} busy before anything starts")
    results: dict[str, object] = {}
    clean = True
    with Course(contenders, limits, print) as course:
        for name in args.workloads:
            workload = WORKLOADS[name]
            print(f"{name}: {workload.about}")
            outcome = workload.run(course)
            print("\n".join(["", *outcome.lines, ""]), flush=True)
            results[name] = outcome.figures
            clean &= outcome.clean
    facts = {
        "machine": machine.describe(args.python) | {"busy_before": foreign},
        "versions": {c.name: peers.version(c.peer, c.python, c.tree) for c in contenders},
        "limits": {
            "rounds": limits.rounds,
            "seconds": limits.seconds,
            "quick": limits.quick,
            "nice": args.nice,
        },
        "proofs": {name: proof.line() for name, proof in course.proofs.items()},
        "notes": course.notes,
        "results": results,
    }
    print(f"bench: {report.write_json(facts).relative_to(ROOT)}")
    return 0 if clean else 1
