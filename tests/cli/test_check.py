"""`gwproxy check`, `schema` and `version`."""

from __future__ import annotations

import configparser
import json
import tomllib
from importlib.metadata import version
from pathlib import Path

import jsonschema_rs
import pytest

from gwproxy import __version__
from gwproxy.cli.version import PARTS

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "config" / "bad"
TIED = '[[routes]]\npath = "/:a"\nrespond = {}\n[[routes]]\npath = "/:b"\nrespond = {}\n'


def test_good_file_is_fine_and_its_future_is_told(cli):
    result = cli("check", str(ROOT / "routes.toml"))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "not in force yet:"
    assert any(line.startswith("  services.users.retries and 3 more: ") for line in lines)
    assert lines[-1] == f"{ROOT}/routes.toml: fine, 9 routes, 2 aggregations, 4 services"


def test_every_mistake_is_told_with_its_place(cli):
    file = BAD / "everything_at_once.toml"
    result = cli("check", str(file))
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[-1] == f"{file}: 7 errors"
    assert [line.split(": ")[0] for line in lines[:-1]] == [
        f"{file}:{line}:1" for line in (10, 11, 14, 15, 19, 20, 21)
    ]


def test_warnings_alone_are_fine(cli):
    file = BAD / "legal_but_odd.toml"
    result = cli("check", str(file))
    assert result.exit_code == 0
    assert result.stdout.count(": warning: ") == 3
    assert result.stdout.splitlines()[-1] == f"{file}: fine, 3 warnings, 2 routes, 2 services"


def test_routes_that_only_the_router_knows_to_tie_are_told(cli):
    Path("routes.toml").write_text(TIED, encoding="utf-8")
    result = cli("check", "routes.toml")
    assert result.exit_code == 1
    assert "routes.toml:5:1: routes[1].path: route is written twice" in result.stdout
    assert result.stdout.endswith("routes.toml: 1 error\n")


@pytest.mark.parametrize("file", sorted(BAD.glob("*.toml")), ids=lambda file: file.stem)
def test_programs_are_told_the_same_as_people(file, cli):
    said, told = cli("check", str(file)), json.loads(cli("check", str(file), "--json").stdout)
    assert [problem["message"] for problem in told["problems"]] == [
        line for line in said.stdout.splitlines() if line.startswith(tuple(marks(told)))
    ]
    assert told["fine"] is (said.exit_code == 0)


def marks(told):
    return {f"{problem['file']}:{problem['line']}:" for problem in told["problems"]} or {"none"}


def test_programs_are_told_what_is_not_in_force(cli):
    told = json.loads(cli("check", str(ROOT / "routes.toml"), "--json").stdout)
    assert told["counts"] == {"routes": 9, "aggregations": 2, "services": 4}
    assert {"feature": "retries", "effect": "ignored", "count": 4}.items() <= {
        each["feature"]: each for each in told["not_in_force"]
    }["retries"].items()


def test_environment_fills_the_file_in(cli, monkeypatch):
    Path("routes.toml").write_text('[services.a]\nurl = "${ORIGIN}"\n', encoding="utf-8")
    assert "set ORIGIN" in cli("check", "routes.toml").stdout
    monkeypatch.setenv("ORIGIN", "http://127.0.0.1:1")
    assert cli("check", "routes.toml").exit_code == 0


def test_schema_is_one_and_accepts_the_reference_file(cli):
    printed = json.loads(cli("schema").stdout)
    jsonschema_rs.meta.validate(printed)
    validator = jsonschema_rs.Draft202012Validator(printed)
    assert validator.is_valid(tomllib.loads((ROOT / "routes.toml").read_text(encoding="utf-8")))
    assert not validator.is_valid({"gateway": {"listn": ["127.0.0.1:1"]}})


def test_version_names_only_what_the_package_needs(cli):
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = [line.partition(">=")[0] for line in parser["options"]["install_requires"].split()]
    assert [part for part in PARTS if part not in needed] == []
    assert "not installed" not in cli("version").stdout


def test_version_names_what_runs(cli):
    lines = cli("version").stdout.splitlines()
    assert lines[0] == cli("--version").stdout.strip() == f"gwproxy {__version__}"
    assert lines[1].startswith("CPython 3.")
    assert f"uvloop {version('uvloop')}, aiohttp {version('aiohttp')}" in lines[2]


def test_a_key_that_cannot_be_used_is_told_beside_all_other_mistakes(cli, tmp_path):
    file = tmp_path / "two.toml"
    file.write_text(
        '[auth.hs]\ntype = "jwt"\nalgorithms = ["HS256"]\nkey = "hunter2"\n'
        '[auth.file]\ntype = "jwt"\nalgorithms = ["RS256"]\nkey_file = "nope.pem"\nleeway = "soon"\n'
    )
    told = cli("check", str(file)).output.splitlines()
    assert [line.partition(": ")[2].partition(":")[0] for line in told[:-1]] == [
        "auth.hs.key", "auth.file.key_file", "auth.file.leeway",
    ]  # fmt: skip
    assert "hunter2" not in "".join(told)
