"""`gwproxy explain` of CORS and of address rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FILE = """
[cors]
allow_origins = ["https://app.example.com"]
allow_methods = ["PATCH"]
allow_headers = ["X-Trace"]

[addresses]
deny = ["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/25", "192.0.2.128/26", "192.0.2.192/27"]

[[routes]]
path = "/a/:id"
methods = ["PUT", "PATCH"]
respond = {}

[[routes]]
path = "/b"
method = "GET"
respond = {}
cors = { allow_origins = ["*"], allow_headers = ["*"] }
addresses = { allow = ["10.0.0.0/8"] }

[[routes]]
path = "/off"
respond = { status = 202 }
cors = {}
"""
APP = "Origin: https://app.example.com"


@pytest.fixture
def explain(cli):
    Path("routes.toml").write_text(FILE, encoding="utf-8")

    def explained(method, url, *headers, address=""):
        more = [word for header in headers for word in ("-H", header)]
        more += ["--address", address] if address else []
        result = cli("explain", "routes.toml", method, url, *more, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return explained


def wants(method):
    return f"Access-Control-Request-Method: {method}"


def test_preflight_is_told_with_the_route_it_is_about_and_what_is_allowed(explain):
    told = explain("OPTIONS", "/a/7", APP, wants("PATCH"), "Access-Control-Request-Headers: x-trace")
    assert (told["status"], told["verdict"]) == (204, "204 by the gateway itself: leave to ask PATCH")
    assert (told["why"], told["fields"]["Access-Control-Allow-Methods"]) == ("", ["PATCH"])
    assert told["route"]["key"] == "routes[0]"
    assert told["params"] == {"id": "7"}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (("Origin: https://evil.com", wants("PUT")), "cors.allow_origins lacks https://evil.com"),
        ((APP, wants("PUT")), "cors.allow_methods lacks PUT"),
    ],
)
def test_preflight_that_gets_no_leave_says_what_is_missing(headers, why, explain):
    told = explain("OPTIONS", "/a/7", *headers)
    assert (told["verdict"], told["why"]) == ("204 by the gateway itself: no leave to ask PUT", why)
    assert list(told["fields"]) == ["Vary"]


def test_preflight_of_a_routes_own_cors_names_that(explain):
    asks = "Access-Control-Request-Headers: authorization"
    told = explain("OPTIONS", "/b", "Origin: https://x", wants("GET"), asks)
    assert told["why"] == "routes[1].cors.allow_headers lacks authorization"
    assert explain("OPTIONS", "/b", "Origin: https://x", wants("GET"))["fields"]["Access-Control-Allow-Origin"] == ["*"]


def test_preflight_for_what_does_not_exist_is_what_the_request_would_be(explain):
    assert explain("OPTIONS", "/none", APP, wants("GET"))["status"] == 404
    told = explain("OPTIONS", "/a/7", APP, wants("DELETE"))
    assert (told["status"], told["fields"]) == (405, {"Allow": ["PATCH, PUT"]})


def test_where_there_is_no_cors_options_is_a_request_like_others(explain):
    told = explain("OPTIONS", "/off", APP, wants("GET"))
    assert (told["status"], told["route"]["key"], told["cors"]) == (202, "routes[2]", "")


def test_request_of_a_page_says_whether_it_may_read_the_answer(explain):
    assert explain("PUT", "/a/7", APP)["cors"] == "pages of https://app.example.com may read the answer"
    no = explain("PUT", "/a/7", "Origin: https://evil.com")["cors"]
    assert no == "pages of https://evil.com may not read the answer: cors.allow_origins lacks it"
    assert explain("PUT", "/a/7")["cors"] == ""


def test_address_rules_are_told_and_judge_the_address_that_is_given(explain):
    told = explain("GET", "/b")
    assert told["status"] == 200
    assert told["addresses"] == [
        "not 203.0.113.0/24, 198.51.100.0/24, 192.0.2.0/25 and 2 more (addresses)",
        "only 10.0.0.0/8 (routes[1].addresses)",
    ]
    assert explain("GET", "/b", address="10.0.0.1")["status"] == 200
    assert explain("GET", "/b", address="11.0.0.1")["code"] == "address_denied"
    assert explain("GET", "/none", address="203.0.113.1")["code"] == "address_denied"
    assert explain("GET", "/none", address="203.0.114.1")["code"] == "not_found"
    assert explain("OPTIONS", "/b", APP, wants("GET"), address="11.0.0.1")["status"] == 403
    assert explain("OPTIONS", "/b", APP, wants("GET"), address="10.0.0.1")["status"] == 204


def test_what_is_no_address_is_wrong_use(cli):
    Path("routes.toml").write_text(FILE, encoding="utf-8")
    assert cli("explain", "routes.toml", "GET", "/b", "--address", "10.0.0").exit_code == 2
