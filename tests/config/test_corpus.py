"""Bad files, each saying in its head which problems it has and where: `#! kind line`.

The JSON Schema is asked about each as well: it must refuse what is wrong by shape, and accept what only the rules
across keys, or the world outside, can refuse.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

from gwproxy.config.check import check
from gwproxy.config.jsonschema import json_schema
from gwproxy.config.load import load
from gwproxy.config.problems import KINDS, ConfigError, Problem
from gwproxy.snapshot.credentials import unusable_keys

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.toml"))
UNPARSED = {kind for kind, meaning in KINDS.items() if meaning.stage == "file"}


def expected_in(path: Path) -> list[tuple[str, int]]:
    found = re.findall(rb"^(?:\xef\xbb\xbf)?#! (\w+) (\d+)$", path.read_bytes(), re.MULTILINE)
    return sorted((kind.decode(), int(line)) for kind, line in found)


def problems_in(path: Path) -> tuple[Problem, ...]:
    try:
        loaded = load(path, {})
        return (*check(loaded), *unusable_keys(loaded))
    except ConfigError as error:
        return error.problems


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_has_the_problems_that_its_head_names_and_no_others(path: Path) -> None:
    expected = expected_in(path)
    assert expected
    problems = problems_in(path)
    assert sorted((each.kind, each.place.line) for each in problems) == expected, "\n".join(
        map(str, problems)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_json_schema_refuses_a_bad_file_exactly_if_its_shape_is_wrong(path: Path) -> None:
    kinds = {kind for kind, _ in expected_in(path)}
    if kinds & UNPARSED:
        with pytest.raises(ValueError):
            tomllib.loads(path.read_text(encoding="utf-8"))
        return
    schema = jsonschema_rs.Draft202012Validator(json_schema())
    misshapen = any(KINDS[kind].stage == "shape" for kind in kinds)
    assert schema.is_valid(tomllib.loads(path.read_text(encoding="utf-8"))) is not misshapen


def test_the_corpus_has_every_kind_of_problem() -> None:
    assert {kind for path in FILES for kind, _ in expected_in(path)} == set(KINDS)


def test_every_kind_is_said_in_words_with_file_line_and_column() -> None:
    for path in FILES:
        for problem in problems_in(path):
            told = f"{path}:{problem.place.line}:{problem.place.column}: "
            assert str(problem).startswith(told)
            assert KINDS[problem.kind].says in str(problem)


def test_a_password_in_an_address_is_not_shown() -> None:
    assert "secret@" not in "\n".join(map(str, problems_in(BAD / "addresses.toml")))
