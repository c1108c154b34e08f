"""No exchange becomes dearer unnoticed: calls, bytecodes, memory and system calls against committed ceilings.

Times are for the bench. What is counted here is the same in every run; `python -m tests.guard.measure --write` sets
the ceilings anew when a change is worth its price, or has made something cheaper.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from bench.exchange import ROUTES
from tests.guard import syscalls
from tests.guard.measure import CEILINGS, PYTHON, ROOT, this_python

# One process measures for all tests of this file.
pytestmark = pytest.mark.xdist_group("guard")

WRITTEN: dict[str, Any] = tomllib.loads(CEILINGS.read_text())
NAMES = [route.name for route in ROUTES]
COUNTED = ("calls", "bytecodes", "objects", "peak_bytes")
LOOSE = 0.8
"""A figure below this share of its ceiling has become so cheap that the ceiling guards nothing any more."""
UNCOUNTED_BLOCKS = 8
"""Of thousands of exchanges: a table of Python's own may settle late."""


def absent(what: str) -> None:
    """Skip by name; where CI promises that everything is there, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI promises that nothing is left out")
    pytest.skip(what)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.guard.measure"], cwd=ROOT, capture_output=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def verdict(cost: float, ceiling: float) -> str:
    if cost > ceiling:
        return f"{cost:g} is above the ceiling of {ceiling:g}"
    if cost < LOOSE * ceiling:
        return f"{cost:g} is far below the ceiling of {ceiling:g}: lower it (python -m tests.guard.measure --write)"
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_exchange_costs_what_it_did(name: str, measured: dict[str, Any]):
    if this_python() != WRITTEN["python"]:
        absent(f"the ceilings are those of {WRITTEN['python']}, this is {this_python()}")
    costs = measured["costs"][name]
    judged = {what: verdict(costs[what], WRITTEN[name][what]) for what in COUNTED}
    assert {what: why for what, why in judged.items() if why} == {}


@pytest.mark.parametrize("name", syscalls.ROUTES_BY_NAME)
def test_request_asks_the_kernel_no_more_than_it_did(name: str):
    if syscalls.missing():
        absent("strace is not here")
    calls = syscalls.per_request(name)
    why = verdict(sum(calls.values()), WRITTEN[name]["syscalls"])
    assert why == "", calls


@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_exchanges_leave_no_memory_behind(name: str, measured: dict[str, Any]):
    assert measured["left"][name]["blocks"] <= UNCOUNTED_BLOCKS


@pytest.mark.parametrize("name", NAMES)
def test_exchanges_leave_no_cycles_to_the_collector(name: str, measured: dict[str, Any]):
    assert measured["left"][name]["unreachable"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_full_collection_in_ten_thousand_exchanges(name: str, measured: dict[str, Any]):
    assert measured["left"][name]["full"] == 0


def test_ceilings_are_those_of_the_benchs_routes():
    assert WRITTEN["python"] == PYTHON
    assert set(WRITTEN) - {"python"} == set(NAMES)


@pytest.mark.parametrize(
    ("cost", "word"), [(100.1, "above"), (100.0, ""), (80.0, ""), (79.9, "lower")], ids=str
)
def test_ceiling_is_neither_passed_nor_far_away(cost: float, word: str):
    assert word in verdict(cost, 100.0)
    assert bool(word) == bool(verdict(cost, 100.0))
