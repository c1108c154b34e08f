"""Several files that are one configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from gwproxy.config.load import load
from gwproxy.config.problems import ConfigError, Place, Problem
from gwproxy.config.schema import Config


def refused_folder(folder: Path, **files: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        load_folder(folder, **files)
    return error.value.problems


def load_folder(folder: Path, **files: str) -> Config:
    """Write files (double underscores are slashes) and load main.toml."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".toml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return load(folder / "main.toml", {}).config


def test_included_files_are_read_in_sorted_order_and_routes_go_on(tmp_path: Path) -> None:
    config = load_folder(
        tmp_path,
        main='include = ["more/*.toml"]\n[[routes]]\npath = "/main"\nrespond = {}',
        more__b='[[routes]]\npath = "/b"\nrespond = {}',
        more__a='[[routes]]\npath = "/a"\nrespond = {}',
    )
    assert [route.path for route in config.routes] == ["/main", "/a", "/b"]


def test_includes_are_relative_to_the_file_that_says_them(tmp_path: Path) -> None:
    config = load_folder(
        tmp_path,
        main='include = ["sub/one.toml"]',
        sub__one='include = ["two.toml"]',
        sub__two='[services.deep]\nurl = "http://deep"',
    )
    assert list(config.services) == ["deep"]


def test_names_of_several_files_are_united(tmp_path: Path) -> None:
    config = load_folder(
        tmp_path,
        main='include = ["other.toml"]\n[services]\na.url = "http://a"\n[roles]\nx = ["1"]\n[auth]\ndefault_tier = "t"',
        other='[services]\nb.url = "http://b"\n[roles]\ny = ["2"]\n[tiers.t]\nrequests = 1\nwindow = "1s"',
    )
    assert (list(config.services), list(config.roles)) == (["a", "b"], ["x", "y"])


def test_a_file_may_add_tables_inside_another_files_table(tmp_path: Path) -> None:
    config = load_folder(
        tmp_path,
        main='include = ["limits.toml"]\n[services.a]\nurl = "http://a"',
        limits='[services.a.rate_limits]\ndefault = { requests = 1, window = "1s" }',
    )
    assert list(config.services["a"].rate_limits) == ["default"]


def test_a_table_met_twice_is_told_with_both_places(tmp_path: Path) -> None:
    (problem,) = refused_folder(
        tmp_path,
        main='include = ["other.toml"]\n[services.a]\nurl = "http://a"',
        other='# other\n[services.a]\ntimeout = "1s"',
    )
    assert (problem.kind, problem.key) == ("duplicate_key", "services.a")
    assert problem.place == Place(str(tmp_path / "other.toml"), 2, 11)
    assert f"first at {tmp_path / 'main.toml'}:2:11" in str(problem)


def test_a_key_met_twice_is_told_with_both_places(tmp_path: Path) -> None:
    (problem,) = refused_folder(
        tmp_path,
        main='include = ["other.toml"]\n[auth]\ndefault_tier = "a"\n[tiers.a]\nrequests = 1\nwindow = 1',
        other='auth.default_tier = "b"',
    )
    assert (problem.kind, problem.key, problem.place.file) == (
        "duplicate_key", "auth.default_tier", str(tmp_path / "other.toml")
    )  # fmt: skip


def test_files_that_include_each_other_are_a_cycle(tmp_path: Path) -> None:
    (problem,) = refused_folder(tmp_path, main='include = ["b.toml"]', b='include = ["main.toml"]')
    assert (problem.kind, problem.place) == ("include_cycle", Place(str(tmp_path / "b.toml"), 1, 12))


def test_a_file_that_two_others_include_is_read_once(tmp_path: Path) -> None:
    config = load_folder(
        tmp_path,
        main='include = ["a.toml", "b.toml"]',
        a='include = ["shared.toml"]',
        b='include = ["shared.toml"]',
        shared='[[routes]]\npath = "/"\nrespond = {}',
    )
    assert len(config.routes) == 1


def test_all_files_that_were_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('include = ["b.toml"]')
    (tmp_path / "b.toml").write_text("")
    assert load(tmp_path / "a.toml", {}).files == (str(tmp_path / "a.toml"), str(tmp_path / "b.toml"))


def test_a_missing_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "none.toml", {})
    assert [problem.kind for problem in error.value.problems] == ["unreadable_file"]


def test_problems_of_all_files_are_told_by_file_then_line(tmp_path: Path) -> None:
    problems = refused_folder(
        tmp_path,
        main='include = ["z.toml", "a.toml", "broken.toml"]\n[gateway]\nbad = 1\nworse = 1',
        z="[log]\nbad = 1",
        a="[state]\nbad = 1",
        broken="[",
    )
    told = [(Path(problem.place.file).stem, problem.place.line) for problem in problems]
    assert told == [("main", 3), ("main", 4), ("z", 2), ("a", 2), ("broken", 1)]
