"""`python -m tests.guard.measure`: prints what each route of the bench costs; `--write` makes that the new ceilings.

In a process of its own, with a fixed hash seed, so that nothing that a test did before has warmed or filled anything.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import uvloop

from bench.exchange import ROUTES
from tests.guard import counting, syscalls

ROOT = Path(__file__).parents[2]
CEILINGS = Path(__file__).parent / "ceilings.toml"
SLACK = 1.05
PYTHON = "CPython 3.11"
HEAD = """\
# What one exchange may cost at the most, for each of the bench's routes: what it does cost, and about 5 %.
# `python -m tests.guard.measure --write` (with the Python named here) measures anew; lower them when it got cheaper.
# calls: Python's and C's functions. bytecodes: executed. objects: blocks of memory held while the service works
# (0 where the gateway answers). peak_bytes: allocated at once. syscalls: of the gateway's process, per request.
"""


def this_python() -> str:
    return f"{platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}"


async def _all() -> dict[str, Any]:
    costs = {route.name: await counting.measure(route) for route in ROUTES}
    left = {route.name: await counting.leftover(route) for route in ROUTES}
    return {"costs": costs, "left": left}


def ceiling(cost: float) -> float:
    """With the slack; whole where the figure is large."""
    raised = cost * SLACK
    return round(raised) if raised >= 100 else round(raised, 1)


def text_of(costs: dict[str, dict[str, float]]) -> str:
    lines = [HEAD + f'python = "{this_python()}"']
    for name, figures in costs.items():
        lines += ["", f"[{name}]", *(f"{what} = {ceiling(cost):g}" for what, cost in figures.items())]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.guard.measure", *argv],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    found = uvloop.run(_all())
    if "--write" in argv:
        if this_python() != PYTHON:
            print(f"ceilings are those of {PYTHON}, this is {this_python()}")
            return 2
        for name in syscalls.ROUTES_BY_NAME:
            found["costs"][name]["syscalls"] = sum(syscalls.per_request(name).values())
        CEILINGS.write_text(text_of(found["costs"]))
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
