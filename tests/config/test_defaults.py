"""[defaults.services] and [defaults.routes]."""

from __future__ import annotations

import pytest

from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError, Problem
from gwproxy.config.schema import Route


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        loads(text)
    return error.value.problems


def test_defaults_serve_for_keys_that_are_not_written() -> None:
    services = loads(
        '[defaults.services]\ntimeout = "1s"\nretries = 2\n'
        '[services.a]\nurl = "http://a"\n[services.b]\nurl = "http://b"\ntimeout = "9s"'
    ).config.services
    assert [(each.timeout, each.retries) for each in services.values()] == [(1, 2), (9, 2)]


def test_a_shared_table_is_taken_whole_or_not_at_all() -> None:
    service = loads(
        "[defaults.services]\npool = { max_connections = 5, max_age = 5 }\n"
        '[services.a]\nurl = "http://a"\npool = { max_age = 9 }'
    ).config.services["a"]
    assert (service.pool.max_connections, service.pool.max_age) == (1024, 9)


def route_with(defaults: str, route: str) -> Route:
    return loads(
        f'[services.a]\nurl = "http://a"\n[defaults.routes]\n{defaults}\n[[routes]]\npath = "/v1/x"\n{route}'
    ).config.routes[0]


def test_a_default_steps_back_where_its_alternative_is_written() -> None:
    assert route_with('method = "GET"', 'methods = ["PUT"]\nrespond = {}').methods == ("PUT",)
    assert route_with('host = "a"', 'hosts = ["b"]\nrespond = {}').host is None
    assert route_with('strip_prefix = "/v1"', 'service_path = "/y"\nservice = "a"').strip_prefix is None


def test_forwarding_defaults_are_not_given_to_routes_that_answer_themselves() -> None:
    route = route_with('timeout = "1s"\nrate_limit = "x"\nrequires_auth = false', "respond = {}")
    assert (route.timeout, route.rate_limit, route.requires_auth) == (None, None, False)


def test_permissions_of_a_route_are_never_undone_by_a_default() -> None:
    route = route_with("requires_auth = false", 'permissions = ["p"]\nservice = "a"')
    assert (route.requires_auth, route.permissions) == (None, ("p",))


def test_shared_permissions_hold_for_a_route_that_requires_authentication() -> None:
    assert route_with('permissions = ["p"]', 'requires_auth = true\nservice = "a"').permissions == ("p",)


def test_an_open_route_takes_no_shared_permissions() -> None:
    assert route_with('permissions = ["p"]', 'requires_auth = false\nservice = "a"').permissions == ()


def test_a_mistake_in_a_default_is_told_once_where_it_stands() -> None:
    (problem,) = refused(
        '[defaults.services]\ntimeout = "soon"\n[services.a]\nurl = "http://a"\n[services.b]\nurl = "http://b"'
    )
    assert (problem.key, problem.place.line) == ("defaults.services.timeout", 2)


def test_what_cannot_be_shared_is_an_unknown_key() -> None:
    assert [problem.kind for problem in refused('[defaults.routes]\npath = "/x"')] == ["unknown_key"]
