"""Versions as a file writes them: their order, their days, and what check lets pass."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError
from gwproxy.config.versions import (
    FORM,
    Version,
    Versioning,
    default_of,
    ordered,
    place_in_path,
    successor_of,
    versioned_path,
)

NAMES = st.from_regex(FORM, fullmatch=True).filter(str.isascii)
ROUTE = '[services.a]\nurl = "http://a"\n[[routes]]\npath = "/api/x"\nservice = "a"\n'


@pytest.mark.parametrize(
    "names",
    [
        ["v1", "v2", "v10"], ["v2", "v2.1", "v2.1.7", "v2.10", "v3"], ["1", "2", "11"],
        ["2023-11-30", "2024-02-01", "2024-06-01"], ["v9", "2024-06-01"],
    ],
)  # fmt: skip
def test_versions_are_ordered_number_by_number(names: list[str]):
    assert ordered(reversed(names)) == names


@given(st.sets(NAMES, min_size=1))
def test_the_latest_is_the_default_and_has_no_successor(names: set[str]):
    versions = dict.fromkeys(names, Version())
    latest = default_of(Versioning(), names)
    assert latest == ordered(names)[-1]
    assert successor_of(latest, versions) == ""


def test_successor_is_the_latest_that_stays():
    day = date(2024, 1, 1)
    versions = {"v1": Version(deprecated=day), "v2": Version(), "v3": Version(), "v4": Version(sunset=day)}
    assert [successor_of(name, versions) for name in versions] == ["v3", "v3", "", ""]


@given(st.lists(st.from_regex("[a-z]{0,3}", fullmatch=True), min_size=1, max_size=4), NAMES)
def test_a_version_in_a_path_can_be_taken_out_again(segments: list[str], name: str):
    path = "/" + "/".join(segments)
    at = place_in_path(Versioning(path_prefix="/" + segments[0]), path)
    assert at == (1 if segments[0] else 0)
    inside = versioned_path(path, at, name).split("/")[1:]
    assert inside.pop(at) == name
    assert inside == segments


@pytest.mark.parametrize("written", ["2024-06-01", '"2024-06-01"', '"${DAY}"', '"${NONE:-2024-06-01}"'])
def test_a_day_is_tomls_or_a_string(written: str):
    loaded = loads(f"{ROUTE}[routes.versions.v1]\nsunset = {written}\n", environ={"DAY": "2024-06-01"})
    assert loaded.config.routes[0].versions["v1"].sunset == date(2024, 6, 1)


@pytest.mark.parametrize(
    "written",
    [
        "2024-06-01T00:00:00Z", "2024-06-01T00:00:00", "07:30:00", "20240601", "true", '"20240601"',
        '"2024-06-01\\n"',
    ],
)  # fmt: skip
def test_what_is_no_day_is_refused(written: str):
    with pytest.raises(ConfigError) as refused:
        loads(f"{ROUTE}[routes.versions.v1]\nsunset = {written}\n")
    (problem,) = refused.value.problems
    assert problem.kind in ("wrong_type", "wrong_form")
    assert problem.key == "routes[0].versions.v1.sunset"


@pytest.mark.parametrize(
    "keys",
    [
        "[routes.versions.v1]",
        '[routes.versions."v2.1"]\n[routes.versions.2024-06-01]',
        '[routes.versions.v1]\ndeprecated = 2024-06-01\nsunset = 2024-06-01\n[versioning]\nenforce_sunset = true',
        '[routes.versions.v1]\n[versioning]\nfrom = ["accept"]\nmedia_type = "application/vnd.a+b.{version}"',
        '[routes.versions.v1]\n[versioning]\npath_prefix = "/"\ndefault = "v1"',
        '[routes.versions.v1]\n[[routes]]\npath = "/api/:any/x"\nservice = "a"',
    ],
)
def test_what_is_legal_is_not_told(keys: str):
    assert [str(problem) for problem in check(loads(ROUTE + keys))] == []


def test_a_file_may_not_name_a_version_that_no_path_could_have():
    names = ("", "v", "..", ".", "v1/2", "v1%2F", "1" * 9, "v1.2.3.4.5")
    assert all(re.fullmatch(FORM, name) is None for name in names)
