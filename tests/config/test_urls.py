"""URLs of every use, and what is shown of one that is wrong."""

from __future__ import annotations

import pytest

from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError, Problem, show_url
from gwproxy.config.rules.urls import PAGE, is_file, state_fault, url_fault


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        return tuple(check(loads(text)))
    except ConfigError as error:
        return error.problems


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3001", "https://api.example.com", "http://10.0.0.1/base/path", "http://[::1]:80/",
        "http+unix:///run/app.sock", "http://my_container:8080", "http://xn--bcher-kva.example/", "HTTP://EXAMPLE.com",
        "http://example.com./a%20b",
    ],
)  # fmt: skip
def test_an_address_that_can_be_connected_to_is_accepted(url: str) -> None:
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "", "http:", "http:/x", "//x", "http://:80", "http://a:", "http://a:0", "http://a:x", "http://a:65536",
        "http://a b", "http://ä.example", "http://a?", "http://a#", "http://a@b", "http://[::1", "http://a..b",
        "http://-a", "http://a\n", "http://1.2.3", "http://{tenant}.example", "http+unix://", "http://a/%zz",
        "http://[::1]x", "http://[a]", "http://::1", "http://a,b", "redis://a", "http://[]:80",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_connected_to_is_refused_with_a_cure(url: str) -> None:
    assert url_fault(url)


@pytest.mark.parametrize(
    "url",
    [
        "memory://", "embedded://", "redis://h", "redis://h:6379", "redis://:p%40w@h:1/15", "rediss://u:p@[::1]:65535/0",
        "redis://10.0.0.1/", "unix:///run/redis.sock", "unix:///run/redis.sock?db=3", "redis+cluster://a:1,b:2,c",
        "redis+sentinel://:pw@a:26379,b:26379/primary", "redis+sentinel://a/primary/3",
    ],
)  # fmt: skip
def test_a_state_store_that_can_be_found_is_accepted(url: str) -> None:
    assert state_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "redis", "reddis://h", "memory://x", "embedded:///x", "redis://", "redis://:x@h:99999", "redis://h:0", "redis://h:abc/xx",
        "redis://h/xx", "redis://h/1/2", "redis://h?db=1", "redis://a,b", "unix://", "unix://run/redis.sock",
        "unix:///run/redis.sock?database=3", "unix:///run/redis.sock?db=x", "redis+cluster://a:1/3", "redis+cluster://a:1,:2",
        "redis+sentinel://a:1", "redis+sentinel://a:1/", "redis+sentinel://a:1/primary/x", "redis://h#1", "redis://a b",
    ],
)  # fmt: skip
def test_a_state_store_that_cannot_be_found_is_refused_with_a_cure(url: str) -> None:
    assert state_fault(url)
    (problem,) = problems_of(f'[state]\nurl = "{url}"')
    assert (problem.kind, problem.key) == ("bad_url", "state.url")


def test_a_key_set_is_at_a_url_or_in_a_file() -> None:
    for jwks in ("https://id.example.com/jwks.json", "http://127.0.0.1:1/keys?app=1"):
        assert url_fault(jwks, PAGE) == ""
        assert not is_file(jwks)
    for jwks in ("keys.json", "/etc/gwproxy/jwks.json", "../keys:1/jwks.json"):
        assert is_file(jwks)
    for jwks in (
        "htp://user:pw@x",
        "https://user:pw@x",
        "https://",
        "http:/x",
        "ftp://x/y",
        "a\\u0000b",
        "https://x/#a",
    ):
        text = f'[auth.a]\ntype = "jwt"\nalgorithms = ["RS256"]\njwks = "{jwks}"'
        assert [problem.kind for problem in problems_of(text)] == ["bad_url"], jwks


@pytest.mark.parametrize(
    "origin",
    ["https://a", "http://localhost:3000", "https://[::1]:8443", "capacitor://localhost", "http://*.a", "null", "http://*.1a:81"],
)
def test_an_origin_is_scheme_host_and_port(origin: str) -> None:
    assert problems_of(f'[cors]\nallow_origins = ["*", "{origin}"]') == ()


@pytest.mark.parametrize(
    "origin",
    [
        "nonsense", "http://a/b", "http://a/", "Null", "http://a:0", "http://*", "http://*a", "http://u@a", "http://a?x",
        "*://a", "http://*.*.a", "http://a.*", "http://*.1.2.3.4", "http://*.", "http://*.a/", "http://*.u@a",
    ],
)  # fmt: skip
def test_anything_else_is_no_origin(origin: str) -> None:
    (problem,) = problems_of(f'[cors]\nallow_origins = ["{origin}"]')
    assert (problem.kind, problem.key) == ("bad_url", "cors.allow_origins[0]")


def test_methods_of_cors_are_in_upper_case() -> None:
    some = '[cors]\nallow_origins = ["*"]\n'
    assert problems_of(some + 'allow_methods = ["GET", "M-SEARCH", "*"]') == ()
    assert [each.kind for each in problems_of(some + 'allow_methods = ["get", "A B", ""]')] == [
        "wrong_form"
    ] * 3


def test_cors_without_origins_means_something_only_on_a_route_that_had_some() -> None:
    route = "[[routes]]\npath = '/'\nrespond = {}\ncors = {}\n"
    assert problems_of('[cors]\nallow_origins = ["*"]\n' + route) == ()
    assert [(each.kind, each.key) for each in problems_of(route)] == [("no_effect", "routes[0].cors")]
    assert [(each.kind, each.key) for each in problems_of("[cors]\n")] == [("no_effect", "cors")]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@h:99999", '"redis://(hidden)@h:99999"'),
        ("http://user:se/cr@et@h/x?token=1#y", '"http://(hidden)@h/x?(hidden)"'),
        ("user:secret@h", '"(hidden)@h"'),
        ("http:/user:secret@h", '"http:/(hidden)@h"'),
        ("http://a/#secret", '"http://a/#(hidden)"'),
        ("http://a:1/b", '"http://a:1/b"'),
    ],
)
def test_what_may_be_secret_in_a_url_is_not_shown(url: str, shown: str) -> None:
    assert show_url(url) == shown


@pytest.mark.parametrize(
    "to", ["/", "/new?a=b#c", "https://example.com", "http://example.com:81/x?y=z#top", "HTTP://a/"]
)
def test_a_redirect_leads_to_a_path_or_an_address(to: str) -> None:
    assert problems_of(f"[[routes]]\npath = '/'\nredirect.to = '{to}'") == ()


@pytest.mark.parametrize(
    "to",
    [
        "//evil.com", "/\\evil.com", "evil.com", "javascript:alert(1)", "https://", "https:///x", "http://a:0/",
        "http://u:p@a/", "/a b", "/ü", "http:/a", "ftp://a/",
    ],
)  # fmt: skip
def test_a_redirect_leads_nowhere_else(to: str) -> None:
    (problem,) = problems_of(f"[[routes]]\npath = '/'\nredirect.to = '{to}'")
    assert (problem.kind, problem.key, bool(problem.hint)) == ("bad_url", "routes[0].redirect.to", True)
