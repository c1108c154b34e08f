"""Loading one text: placeholders, places, and everything that is wrong told in one go."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.config.check import check
from gwproxy.config.jsonschema import json_schema
from gwproxy.config.load import load, loads
from gwproxy.config.problems import ConfigError, Place, Problem
from gwproxy.config.schema import Config, Limit, Size

ROUTES = Path(__file__).parents[2] / "routes.toml"
SCHEMA = jsonschema_rs.Draft202012Validator(json_schema())


def refused(text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        loads(text, environ=environ)
    return error.value.problems


def test_the_reference_configuration_is_accepted_whole() -> None:
    assert check(load(ROUTES, {})) == []


def test_an_empty_file_is_a_configuration_of_defaults() -> None:
    assert loads("").config == Config()


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


def test_a_misspelt_key_does_not_contradict_the_one_it_resembles() -> None:
    problems = refused('[services.a]\nurls = "http://a"\ntargets = [{ url = "http://a" }]')
    assert [problem.kind for problem in problems] == ["unknown_key"]


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
    assert "4711" not in str(refused("[admin]\ntoken = 4711")[0])
    (problem,) = refused('[auth.x]\ntype = "jwt"\nalgorithms = ["HS256"]\nkey = 4711')
    assert "4711" not in str(problem)


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


NAMES = [
    "[services.{0}]\nurl = 'http://a'",
    "[roles]\n{0} = ['x']",
    "[tiers.{0}]\nrequests = 1\nwindow = 1",
    "[auth.{0}]\ntype = 'forward'\nurl = 'http://a'",
    "[services.a]\nurl = 'http://a'\nrate_limits.{0} = {{ requests = 1, window = 1 }}",
]


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("name", ["", "a b", "a\\r\\nX-Evil: 1", "a/b", "a\\n", "ü", "a:b", "x" * 65])
def test_a_name_that_could_break_a_header_a_key_or_a_url_is_refused(text: str, name: str) -> None:
    text = text.format(f'"{name}"')
    (problem,) = refused(text)
    assert problem.kind == "wrong_form"
    assert not SCHEMA.is_valid(tomllib.loads(text))
    assert str(problem).isprintable()


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("name", ["a", "A-1", "a.b_c", "x" * 64])
def test_other_names_are_accepted(text: str, name: str) -> None:
    text = text.format(f'"{name}"')
    loads(text)
    assert SCHEMA.is_valid(tomllib.loads(text))


def test_a_name_in_a_hint_does_not_end_the_line() -> None:
    text = '[services."user\\ns"]\nurl = "http://a"\n[[routes]]\npath = "/"\nservice = "users"'
    assert all(str(problem).isprintable() for problem in refused(text))
