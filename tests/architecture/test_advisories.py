"""Every advisory that could be ours too has tests, and each of them is there."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpus import AnswerCase, RequestCase, load_cases

ROOT = Path(__file__).parents[2]
FILE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("advisories.toml").read_text())
LISTED: list[dict[str, Any]] = FILE["advisory"]
HOLES: list[dict[str, Any]] = FILE["hole"]
TESTS = sorted({test for each in (*LISTED, *HOLES) for test in each["tests"]})
# Those of aiohttp since 2021 that concern a server or a proxy. One that is published goes in here first.
KNOWN = (
    "CVE-2021-21330", "GHSA-v6wp-4m6f-gcjg",
    "CVE-2023-47641", "GHSA-xx9p-xxvh-7g8j",
    "CVE-2023-37276", "GHSA-45c4-8wx5-qw6w", "GHSA-pjjw-qhg8-p2p9",
    "CVE-2023-47627", "CVE-2024-23829",
    "CVE-2023-49081", "CVE-2023-49082",
    "CVE-2024-23334", "CVE-2024-42367", "CVE-2025-69226",
    "CVE-2024-30251", "CVE-2025-69227", "CVE-2025-69228", "PYSEC-2026-4394",
    "CVE-2024-52303",
    "CVE-2024-52304",
    "CVE-2025-53643",
    "CVE-2025-69223", "CVE-2026-54278",
    "CVE-2025-69224", "CVE-2025-69225",
    "CVE-2025-69229",
    "CVE-2025-69230",
    "CVE-2026-22815", "GHSA-w2fm-2cpv-w7v5",
    "CVE-2026-34525", "GHSA-c427-h43c-vf67",
    "CVE-2026-34519", "PYSEC-2026-2096",
    "CVE-2026-34520", "GHSA-63hf-3vf5-4wqf",
    "CVE-2026-54273", "GHSA-4fvr-rgm6-gqmc",
    "CVE-2026-54277", "GHSA-63hw-fmq6-xxg2",
    "CVE-2026-54280",
    "CVE-2026-69243", "GHSA-mfx4-hv73-q22v",
    "CVE-2026-69244", "GHSA-cq5v-8q36-5273",
    "CVE-2026-111750", "GHSA-pqxq-w44r-73xw",
    "PYSEC-2026-4369",
)  # fmt: skip

# Those of gateways that concern who is let in, and the fault of an issuer.
KNOWN_HOLES = (
    "CVE-2024-45410", "CVE-2026-48020", "GHSA-6jwx-7vp4-9847", "GHSA-gm3x-23wp-hc2c", "CVE-2026-73553",
    "CVE-2026-35051", "CVE-2026-88011", "CVE-2025-41235", "CVE-2026-39999", "CVE-2026-49230", "CVE-2026-73552",
    "CVE-2025-46821", "CVE-2025-64527", "CVE-2026-50572", "fault 32",
)  # fmt: skip


def test_every_known_hole_is_listed_once():
    assert Counter(name for hole in HOLES for name in hole["ids"]) == Counter(KNOWN_HOLES)


def test_every_known_advisory_is_listed_once():
    listed = Counter(name for advisory in LISTED for name in advisory["ids"])
    assert listed == Counter(KNOWN)


def test_every_advisory_has_its_words_and_a_test():
    assert [each["ids"] for each in (*LISTED, *HOLES) if not (each["about"] and each["tests"])] == []


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@cache
def cases(path: str) -> set[str]:
    """The names that the cases of a test have, which are its parameters' ids."""
    folder = ROOT / "tests" / "http"
    if path == "tests/http/test_requests.py":
        return {case.name for case in load_cases(folder / "requests", RequestCase)}
    assert path == "tests/http/test_answers.py", f"{path} has no cases by name"
    return {case.name for case in load_cases(folder / "answers", AnswerCase)}


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    name, _, case = name.partition("[")
    if not (name.startswith("test_") and (ROOT / path).is_file() and name in functions(path)):
        return False
    return not case or case.removesuffix("]") in cases(path)


@pytest.mark.parametrize("test", TESTS)
def test_named_test_exists(test: str):
    assert exists(test)


@pytest.mark.parametrize(
    "test",
    [
        "tests/http/test_requests.py::test_requests",
        "tests/http/test_requests.py::test_request[no such case]",
        "tests/http/test_gone.py::test_request",
        "tests/http/test_requests.py::play",
    ],
)
def test_test_that_is_not_there_is_noticed(test: str):
    assert not exists(test)
