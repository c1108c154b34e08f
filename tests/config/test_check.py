"""What check lets pass, beside the corpus that says what it does not; and what is accepted but not in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from gwproxy.config.check import check
from gwproxy.config.in_force import not_in_force
from gwproxy.config.load import load, loads
from gwproxy.config.rules.listeners import parse_listener

ROUTES = Path(__file__).parents[2] / "routes.toml"


def kinds(text: str) -> list[str]:
    return [problem.kind for problem in check(loads(text))]


def route(keys: str) -> str:
    return f'[services.a]\nurl = "http://a"\n[[routes]]\n{keys}\n'


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", "8080")), ("[::1]:8080", ("::1", "8080")), ("localhost:0", ("localhost", "0")),
        ("unix:/run/x.sock", ("unix", "/run/x.sock")), ("fd:http", ("fd", "http")), (":8080", None), ("8080", None),
        ("[::1]", None), ("::1:80", None), ("a:b", None), ("fd:", None), ("unix:x", None), ("a:70000", None),
    ],
)  # fmt: skip
def test_a_listener_is_host_and_port_or_a_socket(address: str, parsed: tuple[str, str] | None) -> None:
    assert parse_listener(address) == parsed


@pytest.mark.parametrize(
    "listen",
    ['["127.0.0.1:0", "127.0.0.1:0"]', '["0.0.0.0:80", "[::]:80"]', '["10.0.0.1:80", "10.0.0.2:80"]'],
)
def test_listeners_that_do_not_meet_stand_beside_each_other(listen: str) -> None:
    assert kinds(f"[gateway]\nlisten = {listen}") == []


@pytest.mark.parametrize(
    "listen",
    [
        '["0.0.0.0:80", "10.0.0.1:80"]',
        '["localhost:80", "[::1]:80"]',
        '["fd:x", "fd:x"]',
        '["a:80", "A:080"]',
    ],
)
def test_listeners_that_meet_are_told(listen: str) -> None:
    assert kinds(f"[gateway]\nlisten = {listen}") == ["listener_twice"]


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:81", "[::1]:81", "localhost:81", "unix:/run/a.sock", "127.9.9.9:81"]
)
def test_an_admin_listener_that_only_this_machine_reaches_needs_no_token(listen: str) -> None:
    assert kinds(f'[admin]\nlisten = "{listen}"') == []


def test_an_admin_listener_in_the_open_is_fine_with_a_token() -> None:
    assert kinds('[admin]\nlisten = "0.0.0.0:81"\ntoken = "t"') == []


@pytest.mark.parametrize(
    "keys",
    [
        'path = "/"\nservice = "a"',
        'path = "/*"\nservice = "a"\nservice_path = "/x/*"',
        'path = "/x/*"\nservice = "a"\nservice_path = "/x"',
        'path = "/:a/:b"\nservice = "a"\nservice_path = "/:b/:a/:b"',
        'path = "/a//b/"\nservice = "a"',
        'path = "/a%20b/ü"\nservice = "a"',
        'path = "/api/v1/*"\nservice = "a"\nstrip_prefix = "/api/v1"',
        'path = "/api"\nservice = "a"\nstrip_prefix = "/api"',
        'path = "/"\nservice = "a"\nhosts = ["*.example.com", "Example.com", "[::1]", "10.0.0.1"]',
        'path = "/"\nredirect = { to = "https://example.com/x", status = 308 }',
        'path = "/"\nmethod = "M-SEARCH"\nservice = "a"',
    ],
)
def test_what_is_legal_is_not_told(keys: str) -> None:
    assert kinds(route(keys)) == []


def test_routes_that_differ_in_host_method_or_headers_are_no_duplicates() -> None:
    text = route('path = "/"\nservice = "a"')
    for keys in ('host = "b"', 'method = "GET"', 'headers = { X = "1" }', 'headers = { X = "2" }'):
        text += f'[[routes]]\npath = "/"\nservice = "a"\n{keys}\n'
    assert kinds(text) == []


def test_a_mistake_in_a_default_is_told_once_for_all_routes_that_have_it() -> None:
    text = route('path = "/a"\nservice = "a"') + '[[routes]]\npath = "/b"\nservice = "a"\n'
    assert kinds(f'{text}[defaults.routes]\nrate_limit = "none"') == ["unknown_limit"]


def test_a_shared_tls_table_is_told_for_the_service_that_goes_unverified() -> None:
    text = '[defaults.services]\ntls = { verify = false }\n[services.a]\nurl = "http://a"\n[services.b]\nurl = "https://b"'
    assert kinds(text) == ["tls_unverified"]


def test_warnings_do_not_say_error() -> None:
    (problem,) = check(loads('[gateway]\ntrusted_proxies = ["::/0"]'))
    assert problem.severity == "warning"
    assert "warning: gateway.trusted_proxies[0]" in str(problem)


def test_each_feature_that_is_not_in_force_is_told_in_one_line() -> None:
    notices = {each.feature: each for each in not_in_force(load(ROUTES, {}).config)}
    assert {feature: each.effect for feature, each in notices.items()} == {
        "aggregations": "501", "retries": "ignored",
        "circuit breakers": "ignored", "health checks": "ignored", "balancing": "ignored", "cache": "ignored",
        "admin": "ignored",
    }  # fmt: skip
    assert (notices["cache"].key, notices["cache"].count) == ("routes[1].cache", 2)
    assert str(notices["cache"]).startswith("routes[1].cache and 1 more: ")


def test_what_is_not_asked_for_is_not_told() -> None:
    assert not_in_force(loads(route('path = "/"\nservice = "a"\nrequires_auth = false')).config) == []
