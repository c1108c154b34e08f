"""Routes that tie, against the rule written down a second time; and told whatever else is wrong with the file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError, Problem
from tests.snapshot.tables import Row, rows, ties, toml_of

METHODS = ["GET", "POST", "PUT", "HEAD"]
IGNORE = 'trailing_slash = "ignore"'


def told(text: str) -> list[tuple[str, str]]:
    return [(problem.kind, problem.key) for problem in problems_of(text)]


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        return tuple(check(loads(text)))
    except ConfigError as error:
        return error.problems


def route(keys: str) -> str:
    return f"[[routes]]\n{keys}\n" + ("" if "respond" in keys or "service" in keys else "respond = {}\n")


TIE = route('path = "/a/:x"\nmethod = "GET"') + route('path = "/a/:y"\nmethod = "GET"')


@settings(max_examples=150, deadline=None)
@given(rows(METHODS))
def test_ties_are_reported_all_and_no_others(found: list[Row]) -> None:
    tied = [later for later, row in enumerate(found) if any(ties(row, earlier) for earlier in found[:later])]
    assert told(toml_of(found)) == [("duplicate_route", f"routes[{later}].path") for later in tied]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ('[[routes]]\npath = "/b"\nservise = "x"', "unknown_key"),
        ('[[routes]]\npath = "/b"\nservice = "x"', "unknown_service"),
        ('[[routes]]\npath = "/b"\nrespond = {}\nmethods = ["TRACE"]', "unknown_method"),
        ('[[routes]]\npath = "/b*"\nrespond = {}', "bad_path"),
        ('[[routes]]\nrespond = {}', "missing_key"),
        ('[[routes]]\npath = "/b"', "missing_key"),
        ("[gateway]\nworkers = 0", "out_of_range"),
        ("[gateway]\ntrailing_slash = 3", "wrong_type"),
        ("[services]\nx = 3", "wrong_type"),
        ('services = 3', "wrong_type"),
        ('include = ["nowhere.toml"]', "unreadable_file"),
    ],
)  # fmt: skip
def test_a_tie_is_told_beside_anything_else(more: str, kind: str) -> None:
    text = f"{more}\n{TIE}"
    assert sorted(found for found, _ in told(text)) == sorted(["duplicate_route", kind])


@pytest.mark.parametrize(
    "keys",
    [
        'path = "/a/:y"\nmethod = "GET"\ntimeot = "1s"',
        'path = "/a/:y"\nmethod = "GET"\nrespond = { status = 1 }',
    ],
)
def test_a_route_ties_whatever_else_is_wrong_with_it(keys: str) -> None:
    text = route('path = "/a/:x"\nmethod = "GET"') + route(keys)
    assert ("duplicate_route", "routes[1].path") in told(text)
    without_answer = route('path = "/a/:x"') + '[[routes]]\npath = "/a/:y"\n'
    assert told(without_answer) == [("missing_key", "routes[1]"), ("duplicate_route", "routes[1].path")]


@pytest.mark.parametrize(
    "keys",
    [
        'path = "/a/:y"\nhost = 3', 'path = "/a/:y"\nhots = "b"', 'path = "/a/:y"\nhosts = ["b b"]',
        'path = "/a/:y"\nmethod = "TRACE"', 'path = "/a/:y"\nmetod = "PUT"',
        'pth = "/a/:y"', 'path = 3', 'path = "/a/:y"\nhost = "${UNSET}"',
    ],
)  # fmt: skip
def test_a_route_whose_own_choice_of_requests_is_wrong_ties_with_none(keys: str) -> None:
    """What it was meant for is not known, so that one mistake is one problem."""
    text = route('path = "/a/:x"') + route(keys) + route('path = "/a/:z"\nheaders = { X = "1" }')
    assert len(told(text)) == 1
    assert "duplicate_route" not in dict(told(text))


def test_a_mistaken_host_in_a_default_leaves_out_all_routes_that_have_it() -> None:
    text = "[defaults.routes]\nhost = 3\n" + TIE
    assert [kind for kind, _ in told(text)] == ["wrong_type"]


def test_a_sound_method_or_host_ties_beside_a_wrong_one() -> None:
    text = route('path = "/a"\nmethods = ["TRACE", "GET"]') + route('path = "/a"\nmethods = ["GET"]')
    assert [kind for kind, _ in told(text)] == ["unknown_method", "duplicate_route"]
    text = route('path = "/a"\nhosts = ["b b", "c"]') + route('path = "/a"\nhosts = ["C"]')
    assert [kind for kind, _ in told(text)] == ["bad_host", "duplicate_route"]


def test_a_tie_is_told_once_a_route_and_names_all_that_it_ties_with() -> None:
    text = (
        route('path = "/:a"\nhosts = ["x", "y"]\nmethod = "GET"')
        + route('path = "/:b"\nhost = "x"\nmethod = "PUT"')
        + route('path = "/:c"\nhosts = ["x", "y"]\nmethods = ["PUT", "GET"]')
    )
    (problem,) = problems_of(text)
    assert problem.found == (
        '"/:c" on host x, which ties with routes[1] ("/:b") at routes.toml:6:3 and '
        'routes[0] ("/:a") at routes.toml:1:3'
    )


def test_a_slash_at_the_end_ties_where_it_is_ignored() -> None:
    text = route('path = "/a"') + route('path = "/a/"')
    assert told(text) == []
    assert told(f"[gateway]\n{IGNORE}\n{text}") == [("duplicate_route", "routes[1].path")]


def test_many_routes_of_one_path_are_looked_at_quickly() -> None:
    """Ten thousand conditions on one path: compared one with another that would be fifty million times."""
    text = "".join(route(f'path = "/a"\nheaders = {{ X = "{number}" }}') for number in range(10_000))
    assert told(text + route('path = "/a"\nheaders = { x = "77" }')) == [
        ("duplicate_route", "routes[10000].path")
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Host", "content-length", "Connection", "TE", "X-Forwarded-For", "x-forwarded-ssl", "Via", "X-Request-Id",
        "X-User-Id", "x_user_id", "X.User-ID", "XUserId", "X-Tenant-Plan", "x_forwarded_host",
    ],
)  # fmt: skip
def test_a_header_that_never_reaches_the_router_cannot_choose_a_route(name: str) -> None:
    text = route(f'path = "/a"\nheaders = {{ "{name}" = "1" }}')
    assert told(text) == [
        ("bad_header", f"routes[0].headers.{name if '.' not in name else chr(34) + name + chr(34)}")
    ]


def test_a_header_condition_is_told_beside_anything_else() -> None:
    text = route('path = "/a"\nmethods = ["TRACE"]') + route('path = "/b"\nheaders = { Host = "x" }')
    assert [kind for kind, _ in told(text)] == ["unknown_method", "bad_header"]


def test_other_headers_may_choose_a_route() -> None:
    names = ("Accept", "Authorization", "Cookie", "X-User", "X-User-Identity", "User-Agent", "Content-Type")
    assert (
        told(
            "".join(
                route(f'path = "/a"\nheaders = {{ {name} = "1" }}\nhost = "h{n}"')
                for n, name in enumerate(names)
            )
        )
        == []
    )


def test_a_header_of_identity_is_refused_with_the_reason() -> None:
    (problem,) = problems_of(route('path = "/a"\nheaders = { "X_User.Id" = "1" }'))
    assert problem.hint.startswith("who calls is for the gateway to say")


def test_routes_that_share_only_what_is_wrong_do_not_tie() -> None:
    assert [kind for kind, _ in told(route('path = "/a"\nhost = "b b"') * 2)] == ["bad_host"] * 2
    assert [kind for kind, _ in told(route('path = "/a"\nmethod = "TRACE"') * 2)] == ["unknown_method"] * 2
    assert [kind for kind, _ in told(route('path = "/a*"') * 2)] == ["bad_path"] * 2
    assert [kind for kind, _ in told(route('path = "/a"\nhost = "b"\nhosts = ["c"]') * 2)] == [
        "conflicting_keys"
    ] * 2
