"""`routes` and `explain` tell of versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gwproxy.cli import main

TEXT = """
[services.old]
url = "http://old:3000"
[services.new]
url = "http://new:3000"
[[routes]]
path = "/api/users/:id"
[routes.versions.v1]
service = "old"
deprecated = 2024-01-01
sunset = 2024-06-01
[routes.versions.v2]
service = "new"
service_path = "/:id"
[[routes]]
path = "/api/*"
service = "old"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "routes.toml"
    path.write_text(TEXT)
    return str(path)


def printed(*argv: str) -> str:
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 0, result.output
    return result.output


def test_routes_has_a_row_for_each_version(file: str):
    rows = [line.split("  ") for line in printed("routes", file).splitlines()]
    told = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [row[2] for row in told[1:]] == [
        "/api/users/:id [v1, /api/v1/users/:id]", "/api/users/:id [v2, default, /api/v2/users/:id]", "/api/*",
    ]  # fmt: skip
    assert told[1][4] == "old /api/users/:id (deprecated 2024-01-01, sunset 2024-06-01)"
    assert told[2][4] == "new /:id"
    assert [row[-1].rpartition(":")[2] for row in told[1:]] == ["8", "12", "15"]


def test_routes_tells_programs_of_each_version(file: str):
    rows = json.loads(printed("routes", "--json", file))
    assert [row["version"] for row in rows] == [
        {
            "name": "v1", "default": False, "path": "/api/v1/users/:id", "deprecated": "2024-01-01",
            "sunset": "2024-06-01",
        },
        {"name": "v2", "default": True, "path": "/api/v2/users/:id", "deprecated": None, "sunset": None},
        None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "headers", "facts"),
    [
        ("/api/v2/users/7", (), ["v2 of v1, v2, said by the path", "GET http://new:3000/7"]),
        ("/api/users/7", (), ["v2 of v1, v2, the default", "GET http://new:3000/7"]),
        (
            "/api/users/7",
            ("-H", "X-API-Version: v1"),
            ["v1 of v1, v2, said by the header X-API-Version", "GET http://old:3000/api/users/7"],
        ),
        (
            "/api/v7/users/7",
            (),
            ["400 unsupported_version: API version v7 not supported", "v7, said by the path, is none of v1, v2"],
        ),
    ],
)
def test_explain_says_which_version_and_why(file: str, url: str, headers: tuple[str, ...], facts: list[str]):
    told = printed("explain", file, "GET", url, *headers)
    assert all(fact in told for fact in facts), told
    assert "param     id = 7" in told
    lost = told.partition("  lost\n")[2]
    assert "routes[1]" in lost
    assert "routes[0]" not in lost


def test_explain_of_an_unknown_version_names_no_service_and_no_limit(file: str):
    with Path(file).open("a") as more:
        more.write('[limits]\nglobal = { requests = 9, window = "1s" }\n')
    for url, headers in (("/api/v7/users/7", ()), ("/api/users/7", ("-H", "X-API-Version: v7"))):
        told = printed("explain", file, "GET", url, *headers)
        assert "answer    one of v1, v2" in told
        assert not any(label in told for label in ("  limit ", "  asks ", "  timeouts "))
    assert "  limit " in printed("explain", file, "GET", "/api/v1/users/7")


def test_explain_has_the_versions_own_timeout(file: str):
    path = Path(file)
    path.write_text(path.read_text().replace('service_path = "/:id"', 'service_path = "/:id"\ntimeout = "7s"'))
    assert "answer 7s" in printed("explain", file, "GET", "/api/v2/users/7")
    assert "answer 5s" in printed("explain", file, "GET", "/api/v1/users/7")


def test_explain_lists_a_route_that_lost_once_whatever_versions_it_has(file: str):
    path = Path(file)
    path.write_text(path.read_text().replace('path = "/api/users/:id"', 'path = "/api/users/:id"\nmethod = "GET"'))
    told = printed("explain", file, "POST", "/api/users/7")
    assert "forwarded to the service old" in told
    assert told.count("routes[0]") == 1


def test_explain_of_a_route_without_versions_has_no_version(file: str):
    assert "version" not in printed("explain", file, "GET", "/api/other")
