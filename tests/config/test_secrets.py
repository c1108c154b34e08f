"""What the environment holds is checked but never told: problems show the placeholder in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gwproxy.config.check import check
from gwproxy.config.load import load, loads
from gwproxy.config.problems import ConfigError, Problem

SERVICE = '[services.a]\nurl = "http://a"\n'
ROUTE = '[[routes]]\npath = "/"\nservice = "a"\n'
AGGREGATION = '[[aggregations]]\npath = "/x"\nparts = [{ as = "p", service = "a", path = "/" }]\n'


def problems_of(text: str, secret: str) -> tuple[Problem, ...]:
    try:
        return tuple(check(loads(text, environ={"S": secret})))
    except ConfigError as error:
        return error.problems


@pytest.mark.parametrize(
    ("text", "secret", "found"),
    [
        ('[services.a]\nurl = "ftp://x/${S}?token=1"', "hunter2", '"ftp://x/${S}?(hidden)"'),
        ('[services.a]\nurl = "http://${S}"', "hunter2 x", '"http://${S}"'),
        ('[services.a]\nurl = "http://${S}"', "hun-.ter2", '"http://${S}"'),
        ('[state]\nurl = "redis://:${S}@h:0"', "hunter2", '"redis://(hidden)@h:0"'),
        ('[state]\nurl = "${S}"', "hunter2", '"${S}"'),
        ('[gateway]\nlisten = ["${S}"]', "hunter2", '"${S}"'),
        ('[gateway]\nlisten = ["a:1", "${S}"]', "a:1", '"${S}"'),
        ('[gateway]\ntrusted_proxies = ["${S}"]', "10.20.30.40/8", '"${S}"'),
        ('[cors]\nallow_origins = ["${S}"]', "hunter2", '"${S}"'),
        (SERVICE + '[[routes]]\npath = "/"\nservice = "${S}"', "hunter2", '"${S}"'),
        (SERVICE + ROUTE + 'rate_limit = "${S}"', "hunter2", '"${S}"'),
        (SERVICE + ROUTE + 'method = "${S}"', "hunter2", '"${S}"'),
        (SERVICE + ROUTE + 'methods = ["${S}", "${S}"]', "GET", '"${S}"'),
        (SERVICE + ROUTE + 'host = "${S}"', "hunter2:1", '"${S}"'),
        (SERVICE + ROUTE + 'service_path = "/:${S}"', "hunter2", '"/:${S}"'),
        (SERVICE + ROUTE + 'strip_prefix = "/${S}"', "hunter2", '"/${S}"'),
        (SERVICE + ROUTE.replace('"/"', '"/${S}"'), "hunter2*", '"/${S}"'),
        (SERVICE + ROUTE.replace('"/"', '"/:${S}/:${S}"'), "hunter2", '"/:${S}/:${S}"'),
        (SERVICE + ROUTE.replace('"/"', '"/${S}"') * 2, "hunter2", '"/${S}", which ties'),
        (SERVICE + (ROUTE + 'host = "${S}"\n') * 2, "hunter2", '"/", which ties'),
        ('[[routes]]\npath = "/"\nredirect.to = "${S}"', "hunter2", '"${S}"'),
        (SERVICE + AGGREGATION + 'merge = "${S}"', "hunter2 {", '"${S}"'),
        ('[auth]\ndefault_tier = "${S}"', "hunter2", '"${S}"'),
        ('include = ["${S}"]', "hunter2.toml", '"${S}"'),
        ('[admin]\nlisten = "${S}"', "10.20.30.40:1", ""),
    ],
)  # fmt: skip
def test_what_a_placeholder_became_is_not_told(text: str, secret: str, found: str) -> None:
    problems = problems_of(text, secret)
    assert any(problem.found.startswith(found) for problem in problems)
    for problem in problems:
        assert not any(word in str(problem) for word in ("hunter2", "hun-.ter2", "10.20.30.40"))


def test_a_network_s_cure_does_not_tell_it_either() -> None:
    (problem,) = problems_of('[gateway]\ntrusted_proxies = ["${S}"]', "10.20.30.40/8")
    assert "did you mean" not in str(problem)


def test_a_limit_of_a_tier_that_is_not_there_is_told_by_the_tier() -> None:
    text = SERVICE + 'rate_limits.x = { requests = 1, window = 1, tiers = { gold = "${S}" } }'
    (problem,) = problems_of(text, "5")
    assert problem.found == '"gold"'


def test_an_included_file_that_includes_itself_is_told_as_written(tmp_path: Path) -> None:
    file = tmp_path / "hunter2.toml"
    file.write_text('include = ["${S}.toml"]', encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(file, {"S": "hunter2"})
    assert error.value.problems[0].found == '"${S}.toml"'
