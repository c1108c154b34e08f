"""What a match costs, in calls: it must know neither how many routes there are nor how they were made to compete."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable

import pytest

from gwproxy.config.load import loads
from gwproxy.errors import GatewayError
from gwproxy.snapshot.compile import SLICE, compile, compile_slices
from gwproxy.snapshot.router import Router
from tests.snapshot.tables import fields_of

DEEP = 13
MOST_CALLS = 150
"""For any match of thirteen segments, split and refusal included."""


def table(paths: Iterable[str], more: str = 'methods = ["GET"]') -> str:
    return "\n".join(f'[[routes]]\npath = "{path}"\n{more}\nrespond = {{}}' for path in paths)


def worst_paths() -> list[str]:
    """All 8,192 ways to write thirteen segments as `a` or `:x`."""
    ways = itertools.product((False, True), repeat=DEEP)
    return ["".join(f"/:x{n}" if param else "/a" for n, param in enumerate(way)) for way in ways]


def calls(run: Callable[[], object]) -> int:
    """How many functions were called, those in C among them."""
    seen = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return seen


FRESH = itertools.count()


def match_calls(router: Router, method: bytes, path: bytes) -> int:
    """For a host that was never asked for, so that nothing can be remembered."""
    fields, host = fields_of(), b"h%d.test" % next(FRESH)

    def match() -> None:
        try:
            router.match(host, method, path, fields)
        except GatewayError:
            pass

    return calls(match)


@pytest.fixture(scope="module")
def worst() -> Router:
    return compile(loads(table(worst_paths()))).router


ASKED = {
    "all match": b"/a" * DEEP,
    "half match": b"/b" + b"/a" * (DEEP - 1),
    "one matches": b"/b" * DEEP,
    "none, one short": b"/a" * (DEEP - 1),
    "none, one long": b"/a" * (DEEP + 1),
    "none, by an empty last segment": b"/a" * (DEEP - 1) + b"/",
    "to and fro": b"/a/b" * (DEEP // 2) + b"/a",
}


@pytest.mark.parametrize("path", ASKED.values(), ids=ASKED)
def test_worst_table_is_not_walked(worst, path):
    assert match_calls(worst, b"GET", path) <= MOST_CALLS


@pytest.mark.parametrize("path", ASKED.values(), ids=ASKED)
def test_worst_table_is_not_walked_for_a_wrong_method(worst, path):
    assert match_calls(worst, b"POST", path) <= MOST_CALLS


def test_worst_table_gives_the_best_of_all(worst):
    route, _ = worst.match(b"", b"GET", b"/a" * DEEP, fields_of())
    assert route.template == "/a" * DEEP
    route, _ = worst.match(b"", b"GET", b"/a/b" * 6 + b"/a", fields_of())
    assert [text == "a" for text in route.template.split("/")[1:]] == [n % 2 == 0 for n in range(DEEP)]


def test_match_costs_as_many_calls_among_ten_thousand_routes_as_among_ten():
    few, many = (compile(loads(table(f"/r{n}/x/:id" for n in range(size)))).router for size in (10, 2000))
    assert match_calls(many, b"GET", b"/r7/x/1") == match_calls(few, b"GET", b"/r7/x/1")
    mixed = [compile(loads(table([f"/{kind}/r{n}/:id" for n in range(size) for kind in ("a", ":x")]))).router
             for size in (5, 1000)]  # fmt: skip
    costs = [match_calls(router, b"GET", b"/a/r3/1") for router in mixed]
    assert costs[1] == costs[0]


# -- slices

CALLS_A_SLICE = 50_000
"""About fifteen milliseconds."""


def slice_calls(text: str) -> list[int]:
    slices = compile_slices(loads(text))
    costs: list[int] = []
    ended = object()
    while True:
        found: list[object] = []
        costs.append(calls(lambda: found.append(next(slices, ended))))  # noqa: B023
        if found[0] is ended:
            return costs


TABLES = {
    "static": [f"/r{n}/x/y" for n in range(10_000)],
    "param": [f"/r{n}/:id" for n in range(10_000)],
    "in one contest": [f"/{'a' if n % 2 else ':x'}/r{n}/:id" for n in range(10_000)],
    "worst": worst_paths(),
}


@pytest.mark.parametrize("paths", TABLES.values(), ids=TABLES)
def test_compiling_never_holds_the_loop_for_long(paths):
    costs = slice_calls(table(paths))
    assert len(costs) >= len(paths) // SLICE
    assert max(costs) <= CALLS_A_SLICE


def test_slice_holds_a_stated_number_of_routes():
    slices = compile_slices(loads(table(f"/r{n}" for n in range(10 * SLICE))))
    parsed: list[int] = []

    def count(frame, event, arg):
        if event == "call" and frame.f_code.co_name == "parse_pattern":
            parsed[-1] += 1

    sys.setprofile(count)
    try:
        parsed.append(0)
        for _ in slices:
            parsed.append(0)
    finally:
        sys.setprofile(None)
    assert sum(parsed) == 10 * SLICE
    assert max(parsed) == SLICE
