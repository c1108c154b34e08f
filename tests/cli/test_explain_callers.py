"""`gwproxy explain` of who is calling: what needs no running gateway is found out to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.auth.attacking import bearer, issued
from tests.support.issuing import jwk, key_set, public_pem

FILE = """
[auth.other]
type = "jwt"
algorithms = ["ES256"]
key = '''{pem}'''
[auth.tokens]
type = "jwt"
algorithms = ["ES256"]
jwks = "keys.json"
[services.api]
url = "http://api"
[[routes]]
path = "/known"
service = "api"
requires_auth = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two authenticators with tokens in one place: one key, and three."""
    (tmp_path / "keys.json").write_bytes(key_set(*(jwk("P-256", which, kid=f"{which}") for which in range(3))))
    path = tmp_path / "routes.toml"
    path.write_text(FILE.format(pem=public_pem("P-256", 4).decode()))
    return path


@pytest.fixture
def explain(cli, file: Path) -> Callable[[int], dict[str, Any]]:
    def explained(which: int) -> dict[str, Any]:
        result = cli("explain", str(file), "GET", "/known", "-H", bearer(issued(which=which)), "--json")
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    return explained


@pytest.mark.parametrize("which", range(3))
def test_token_that_names_no_key_is_tried_with_all_of_them(explain, which):
    told = explain(which)
    assert (told["why"], told["who"]) == ("", "u-1, by auth.tokens")


def test_token_of_nobodys_key_is_refused(explain):
    told = explain(3)
    assert (told["status"], told["who"]) == (401, "anonymous")
