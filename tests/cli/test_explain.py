"""`gwproxy explain` and `routes`: every outcome, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gwproxy.cli.explanation import explanation
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile

FILE = """
[gateway]
max_request_body = "1KiB"
[services.users]
targets = [{ url = "http://u1:81/base" }, { url = "https://u2", weight = 2 }]
timeout = "3s"
total_timeout = "9s"
retries = 1
[services.quiet]
url = "http+unix:///run/quiet.sock"
maintenance = true

[[routes]]
path = "/users/:id"
method = "GET"
service = "users"
service_path = "/v1/:id"
cache = { ttl = "5s" }
requires_auth = false

[[routes]]
path = "/users/:id"
method = "GET"
headers = { X-Beta = "1" }
service = "users"
preserve_host = true
strip_prefix = "/users"
requires_auth = false

[[routes]]
path = "/users/*"
service = "users"
requires_auth = false

[[routes]]
path = "/closed"
service = "users"
permissions = ["a:read", "a:write"]

[[routes]]
path = "/quiet"
service = "quiet"
requires_auth = false

[[routes]]
path = "/hello"
methods = ["GET", "POST"]
respond = { status = 203 }
requires_auth = false

[[routes]]
path = "/old"
host = "api.test"
redirect = { to = "/new", status = 308 }
requires_auth = false

[[aggregations]]
path = "/both"
requires_auth = false
parts = [{ as = "a", service = "users", path = "/a" }]

[auth.session]
type = "jwt"
key = "0123456789abcdef0123456789abcdef"
algorithms = ["HS256"]
"""

Explain = Callable[..., dict[str, Any]]


@pytest.fixture
def explain(cli) -> Explain:
    Path("routes.toml").write_text(FILE, encoding="utf-8")

    def explained(method: str, url: str, *headers: str) -> dict[str, Any]:
        more = [word for header in headers for word in ("-H", header)]
        result = cli("explain", "routes.toml", method, url, *more, "--json")
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    return explained


def test_forwarded_request_has_its_targets_and_timeouts(explain):
    told = explain("GET", "http://x/users/a%20b?q=1")
    assert told["verdict"] == "forwarded to the service users"
    assert (told["status"], told["code"]) == (0, "")
    assert told["route"]["key"] == "routes[0]"
    assert told["route"]["at"] == "routes.toml:13:3"
    assert told["params"] == {"id": "a%20b"}
    assert told["asks"] == [
        "GET http://u1:81/base/v1/a%20b?q=1 (weight 1)",
        "GET https://u2/v1/a%20b?q=1 (weight 2)",
    ]
    assert told["timeouts"] == {"connect": "2s", "answer": "3s", "idle": "30s", "total": "9s"}
    assert (told["who"], told["max_body"]) == ("anonymous", "1KiB")


def test_those_that_lost_are_told_in_the_order_they_were_tried(explain):
    told = explain("GET", "/users/7")["lost"]
    assert told == [
        "routes[1]  GET /users/:id [x-beta: 1]  (routes.toml:21:3): wants the header x-beta: 1",
        "routes[2]  * /users/*  (routes.toml:30:3): ranks lower: text before :param before *, segment by segment",
    ]


def test_header_condition_wins_and_the_callers_host_goes_along(explain):
    told = explain("GET", "http://x:8080/users/7", "X-Beta: 1")
    assert told["route"]["key"] == "routes[1]"
    assert told["asks"][0] == "GET http://u1:81/base/7 (Host: x:8080) (weight 1)"
    assert told["lost"][0].endswith("has fewer header conditions, or takes any method")


def test_only_what_concerns_the_route_is_told_as_not_in_force(explain):
    told = [line.split(":")[0] for line in explain("GET", "/users/7")["not_in_force"]]
    assert told == ["services.users.retries", "routes[0].cache"]
    assert [line.split(":")[0] for line in explain("PUT", "/users/7")["not_in_force"]] == [
        "services.users.retries"
    ]
    assert explain("GET", "/hello")["not_in_force"] == []


def test_head_is_answered_by_get(explain):
    assert explain("HEAD", "/users/7")["route"]["key"] == "routes[0]"


def test_closed_route_is_a_401_that_names_what_it_wants(explain):
    told = explain("GET", "/closed", "Authorization: Bearer x")
    assert (told["status"], told["code"]) == (401, "unauthenticated")
    assert told["why"].startswith("wants identity with a:read or a:write")
    assert told["who"] == "anonymous"
    assert told["asks"][0] == "GET http://u1:81/base/closed (weight 1)"


def test_maintenance_of_a_service_is_named(explain):
    told = explain("GET", "/quiet")
    assert (told["status"], told["code"]) == (503, "maintenance")
    assert told["why"] == "services.quiet.maintenance = true"
    assert told["asks"] == ["GET http+unix:///run/quiet.sock /quiet"]


def test_aggregation_is_a_501(explain):
    told = explain("GET", "/both")
    assert (told["status"], told["code"]) == (501, "not_implemented")
    assert told["answer"]["parts"] == [{"as": "a", "service": "users", "method": "GET", "path": "/a"}]
    assert told["not_in_force"][0].startswith("aggregations[0]: ")


def test_fixed_answers_are_the_gateways_own(explain):
    assert explain("GET", "/hello")["verdict"] == "203 by the gateway itself"
    told = explain("GET", "http://api.test/old")
    assert (told["status"], told["answer"]["says"]) == (308, "redirect 308 to /new")


def test_body_that_says_it_is_too_long_is_refused(explain):
    told = explain("POST", "/users/7", "Content-Length: 1025")
    assert (told["status"], told["code"]) == (413, "body_too_large")
    assert explain("POST", "/users/7", "Content-Length: 1024")["status"] == 0


def test_wrong_method_is_a_405_with_those_that_are_allowed(explain):
    told = explain("DELETE", "/hello")
    assert (told["status"], told["fields"]) == (405, {"Allow": ["GET, HEAD, POST"]})
    assert told["lost"] == ["routes[5]  GET,POST /hello  (routes.toml:45:3): not for DELETE"]


def test_lower_case_method_is_another_one_and_that_is_said(explain):
    told = explain("get", "/hello")
    assert told["status"] == 405
    assert "case-sensitive: GET would match" in told["why"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/none", "no route for the host localhost has this path"),
        ("/hello/", "(/hello would match: a trailing slash is significant)"),
        ("/old", "(it would match on the host api.test)"),
        ("http://api.test/hello", "this host has routes of its own, and these alone count"),
    ],
)
def test_404_says_what_was_near(url, why, explain):
    told = explain("GET", url)
    assert (told["status"], told["code"]) == (404, "not_found")
    assert why in told["why"]


@pytest.mark.parametrize(
    ("url", "status", "detail"),
    [
        ("/users/a%2Fb", 400, "ambiguous_path: Encoded slash in the path"),
        ("/users/../b", 400, "ambiguous_path: Dot segment in the path"),
        ("/users/a b", 400, "bad_request: Malformed request line"),
        ("/" + "a" * 9000, 414, "uri_too_long: "),
    ],
)
def test_what_the_gateway_refuses_is_refused_by_the_same_rule(url, status, detail, explain):
    told = explain("GET", url)
    assert told["status"] == status
    assert detail in told["verdict"]


def test_encoded_slash_names_the_route_that_could_have_taken_it(explain):
    told = explain("POST", "/users/a%2Fb")["lost"]
    assert told[-1].endswith('takes no encoded slash (encoded_slashes = "refuse")')


async def test_options_of_the_whole_server_is_explained_as_it_is_answered(explain, gateway):
    text = "[[routes]]\npath = '/'\nrespond = {}\n"
    answer = await (await gateway(text)).ask(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
    told = explanation(loads(text), compile(loads(text)), typed_request("OPTIONS", "*", ()))
    assert (told.status, told.code, told.why) == (404, "not_found", "no route of the file has this path")
    assert (answer.status, answer.json()["code"]) == (told.status, told.code)
    assert explain("OPTIONS", "*")["status"] == 404


def test_trace_is_refused_before_any_route(explain):
    assert explain("TRACE", "/hello")["status"] == 405


def test_people_read_the_same_facts(explain, cli):
    printed = cli("explain", "routes.toml", "GET", "http://x/users/7#top").stdout
    told = explain("GET", "http://x/users/7#top")
    facts = [
        told["verdict"],
        told["route"]["at"],
        "id = 7",
        *told["asks"],
        *told["lost"],
        *told["not_in_force"],
    ]
    assert [fact for fact in facts if fact not in printed] == []


def test_table_of_routes_is_in_the_order_they_win(explain, cli):
    rows = json.loads(cli("routes", "routes.toml", "--json").stdout)
    assert [(row["host"], row["path"], row["key"]) for row in rows] == [
        ("api.test", "/old", "routes[6]"),
        ("*", "/both", "aggregations[0]"),
        ("*", "/closed", "routes[3]"),
        ("*", "/hello", "routes[5]"),
        ("*", "/quiet", "routes[4]"),
        ("*", "/users/:id", "routes[1]"),
        ("*", "/users/:id", "routes[0]"),
        ("*", "/users/*", "routes[2]"),
    ]


def test_table_of_routes_tells_who_answers_and_who_may_ask(explain, cli):
    lines = [" ".join(line.split()) for line in cli("routes", "routes.toml").stdout.splitlines()]
    assert "* GET /users/:id [x-beta: 1] → users /:id open routes.toml:21" in lines
    assert "* GET /users/:id → users /v1/:id open routes.toml:13" in lines
    assert "api.test * /old → redirect 308 to /new open routes.toml:51" in lines
    assert "* * /quiet → quiet /quiet (maintenance) open routes.toml:40" in lines
    assert "* * /closed → users /closed identity with a:read or a:write routes.toml:35" in lines
    assert "* GET /both → aggregation of a open routes.toml:57" in lines
