"""Loading: placeholders, includes, defaults, places, and everything that is wrong told in one go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.config.check import check
from gwproxy.config.load import load, loads
from gwproxy.config.problems import ConfigError, Place, Problem
from gwproxy.config.schema import Config, Limit, Route, Size

ROUTES = Path(__file__).parents[2] / "routes.toml"


def refused(text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        loads(text, environ=environ)
    return error.value.problems


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


def test_the_reference_configuration_is_accepted_whole() -> None:
    assert check(load(ROUTES, {})) == []


def test_an_empty_file_is_a_configuration_of_defaults() -> None:
    assert loads("").config == Config()


# ---- placeholders


def test_a_placeholder_takes_the_environments_value() -> None:
    text = '[services.a]\nurl = "http://${HOST}:${PORT:-80}"'
    assert (
        loads(text, environ={"HOST": "a.example.com"}).config.services["a"].url == "http://a.example.com:80"
    )


def test_a_default_also_serves_for_an_empty_variable() -> None:
    assert loads('[state]\nprefix = "${P:-gw}"', environ={"P": ""}).config.state.prefix == "gw"


def test_numbers_booleans_durations_and_sizes_may_come_from_the_environment() -> None:
    gateway = loads(
        '[gateway]\nmax_connections = "${N}"\nhalf_close = "${B}"\nworkers = "${W}"\n'
        'header_timeout = "${T}"\nbody_timeout = "${S}"\nmax_request_body = "${Z}"',
        environ={"N": "5", "B": "true", "W": "auto", "T": "250ms", "S": "1.5", "Z": "1KiB"},
    ).config.gateway
    assert (gateway.max_connections, gateway.half_close, gateway.workers) == (5, True, "auto")
    assert (gateway.header_timeout, gateway.body_timeout, gateway.max_request_body) == (0.25, 1.5, 1024)


def test_a_number_in_a_string_without_a_placeholder_is_no_number() -> None:
    assert [problem.kind for problem in refused('[gateway]\nmax_connections = "5"')] == ["wrong_type"]


def test_what_a_placeholder_becomes_is_checked_but_not_shown() -> None:
    (problem,) = refused('[gateway]\nheader_timeout = "${T}"', {"T": "hunter2"})
    assert problem.kind == "bad_duration"
    assert "hunter2" not in str(problem)


def test_a_doubled_dollar_stands_for_itself() -> None:
    assert loads('[state]\nprefix = "$${P}"').config.state.prefix == "${P}"


def test_an_unset_variable_is_named_with_its_cure() -> None:
    (problem,) = refused('[state]\nprefix = "${NOT_SET}"')
    assert (problem.kind, problem.key) == ("unset_variable", "state.prefix")
    assert "set NOT_SET, or write ${NOT_SET:-default}" in str(problem)


def test_the_environment_is_only_what_was_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GWPROXY_TEST", "x")
    assert [problem.kind for problem in refused('[state]\nprefix = "${GWPROXY_TEST}"')] == ["unset_variable"]


# ---- includes


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


# ---- defaults


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


# ---- problems


def test_one_go_tells_mistakes_of_shape_and_of_reference() -> None:
    problems = refused(
        '[gateway]\nworkers = 0\n[services.users]\nurl = "http://u"\n'
        '[[routes]]\npath = "/a"\nservice = "user"\n[[routes]]\npath = 3\nservice = "users"'
    )
    assert [(problem.kind, problem.place.line) for problem in problems] == [
        ("out_of_range", 2), ("unknown_service", 7), ("wrong_type", 9)
    ]  # fmt: skip


def test_one_mistake_is_one_problem() -> None:
    """What follows from a mistake (a missing url, an unknown service) is not told as well."""
    (problem,) = refused('[services.a]\nulr = "http://a"\n[[routes]]\npath = "/"\nservice = "a"')
    assert problem.kind == "unknown_key"


def test_a_misspelt_key_is_told_in_one_line_with_the_nearest_name() -> None:
    (problem,) = refused('[services.users]\nurl = "http://u"\nretires = 2')
    assert str(problem) == 'routes.toml:3:1: services.users.retires: unknown key; did you mean "retries"?'


def test_a_wrong_value_is_told_with_what_was_found_and_expected() -> None:
    (problem,) = refused("[gateway]\nhalf_close = 1")
    assert str(problem) == "routes.toml:2:1: gateway.half_close: wrong type: expected true or false, found 1"


def test_a_syntax_error_has_toml_s_own_position() -> None:
    (problem,) = refused("[gateway]\nworkers = \n")
    assert (problem.kind, problem.place) == ("syntax", Place("routes.toml", 2, 11))


def test_deep_nesting_is_a_problem_and_no_traceback() -> None:
    assert [problem.kind for problem in refused("a = " + "[" * 10_000 + "]" * 10_000)] == ["syntax"]


DAMAGE = st.sampled_from([*'"[]{}=.#$3\n', "true", "nan", "${A}"])
CUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), DAMAGE))


@settings(deadline=None)
@given(CUTS)
def test_any_damage_gives_a_configuration_or_problems_never_a_traceback(
    cuts: list[tuple[float, int, str]],
) -> None:
    text = ROUTES.read_text(encoding="utf-8")
    for where, length, instead in cuts:
        at = int(where * len(text))
        text = text[:at] + instead + text[at + length :]
    try:
        problems = tuple(check(loads(text)))
    except ConfigError as error:
        problems = error.problems
    assert all(1 <= problem.place.line <= text.count("\n") + 1 for problem in problems)


def test_secrets_are_not_shown() -> None:
    (problem,) = refused('[admin]\ntoken = ["hunter2"]')
    assert "hunter2" not in str(problem)


def test_keys_with_dots_are_quoted_in_their_path() -> None:
    (problem,) = refused('[services."a.b"]\nurl = "http://a"\ntimeout = "x"')
    assert problem.key == 'services."a.b".timeout'


def test_truth_is_no_number_and_a_whole_number_is_a_number() -> None:
    assert [problem.kind for problem in refused("[gateway]\nmax_connections = true")] == ["wrong_type"]
    breaker = loads('[services.a]\nurl = "http://a"\ncircuit_breaker = { failure_rate = 1 }').config.services[
        "a"
    ]
    assert breaker.circuit_breaker is not None
    assert breaker.circuit_breaker.failure_rate == 1.0


def test_every_key_can_be_found_and_a_missing_one_stands_with_its_table() -> None:
    places = loads('[[routes]]\npath = "/"\nrespond = { status = 200 }').places
    assert places.find(("routes", 0, "respond", "status")) == Place("routes.toml", 3, 13)
    assert places.find(("routes", 0, "timeout")) == Place("routes.toml", 1, 3)
    assert places.find(("gateway",)) == Place("routes.toml", 1, 1)


def test_python_s_words_have_a_toml_spelling() -> None:
    config = loads(
        '[limits]\nglobal = { requests = 1, window = 1 }\n[services.s]\nurl = "http://s"\n'
        '[[aggregations]]\npath = "/"\nparts = [{ as = "x", service = "s", path = "/" }]\n'
        '[auth.k]\ntype = "api_key"\nfrom = "query:key"'
    ).config
    assert config.limits.everybody == Limit(requests=1, window=config.limits.everybody.window)  # type: ignore[union-attr]
    assert (config.aggregations[0].parts[0].name, config.auth.methods["k"].source) == ("x", "query:key")


def test_a_body_of_no_bytes_is_a_bound_like_any_other() -> None:
    assert loads("[gateway]\nmax_request_body = 0").config.gateway.max_request_body == Size(0)
