"""The same questions to every store: what the pattern asks of its limiter, and what its limiter gets wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.support.client import Answer
from tests.support.running import Gateway
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
Limited = Callable[..., Awaitable[Gateway]]

ROUTE = """
[services.origin]
url = "http://127.0.0.1:9"
[services.origin.rate_limits]
{limits}
[[routes]]
path = "/a"
service = "origin"
maintenance = false
[[routes]]
path = "/b"
service = "origin"
rate_limit = "other"
"""


@pytest.fixture(params=["memory", "store", "embedded", "tcp", "tls", "cluster", "sentinel"])
def limited(request: pytest.FixtureRequest, gateway: Start) -> Limited:
    """Starts a gateway with these limits; its service is not there, which is nothing to a limit (502)."""
    state = ""
    if request.param != "memory":
        state = f'[state]\nurl = "{request.getfixturevalue(request.param).url}"\ntimeout = "5s"\n'

    async def start(limits: str, more: str = "") -> Gateway:
        return await gateway(state + ROUTE.format(limits=limits) + more)

    return start


async def ask(gw: Gateway, path: str = "/a") -> Answer:
    return await gw.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


OTHER = 'other = { requests = 2, window = "60s" }\n'


async def test_requests_within_the_limit_are_allowed(limited: Limited):
    gw = await limited('default = { requests = 10, window = "60s" }\n' + OTHER)
    answer = await ask(gw)
    assert answer.status == 502
    assert (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")) == ("10", "9")


async def test_requests_over_the_limit_are_refused(limited: Limited):
    gw = await limited('default = { requests = 3, window = "60s" }\n' + OTHER)
    answers = [await ask(gw) for _ in range(4)]
    assert [answer.status for answer in answers] == [502, 502, 502, 429]
    assert [answer.header("x-ratelimit-remaining") for answer in answers] == ["2", "1", "0", "0"]


async def test_names_of_limits_are_counted_apart(limited: Limited):
    gw = await limited('default = { requests = 2, window = "60s" }\n' + OTHER)
    assert [(await ask(gw, path)).status for path in ("/a", "/a", "/a", "/b", "/b", "/b")] == [502, 502, 429] * 2


async def test_many_at_once_are_exactly_as_many_as_allowed(limited: Limited):
    gw = await limited('default = { requests = 50, window = "600s" }\n' + OTHER)
    answers = await asyncio.gather(*(ask(gw) for _ in range(120)))
    assert sum(answer.status == 502 for answer in answers) == 50


@pytest.mark.parametrize(
    ("limit", "allowed", "name"),
    [
        ('requests = 100, window = "600s", burst = 4', 4, "default-burst"),
        ('requests = 100, window = "600s", quota = { requests = 100, period = "month" }', 100, "default"),
        ('requests = 8, window = "600s", precision = "hard"', 8, "default"),
        ('requests = 8, window = "600s", quota = { requests = 8, period = "day" }', 8, "default"),
    ],
)
async def test_every_kind_of_limit_refuses_what_is_too_much(limit: str, allowed: int, name: str, limited: Limited):
    gw = await limited(f"default = {{ {limit} }}\n" + OTHER)
    answers = [await ask(gw) for _ in range(allowed + 1)]
    assert [answer.status for answer in answers] == [502] * allowed + [429]
    assert answers[-1].json()["limit"].startswith(name)
    assert int(answers[-1].header("retry-after") or 0) >= 1


# -- what callers are told

TOLD = ("x-ratelimit-limit", "x-ratelimit-remaining", "ratelimit-policy")
TIER = '[tiers.anonymous]\nrequests = {requests}\nwindow = "{window}"\n'


def told(answer: Answer) -> tuple[list[object], int]:
    """What a caller is told, and in how many seconds there is more."""
    tightest, _, seconds = (answer.header("ratelimit") or "").partition(";t=")
    limit = answer.json()["limit"] if answer.status == 429 else ""
    return [answer.status, limit, tightest, *map(answer.header, TOLD)], int(seconds or -1)


@pytest.mark.parametrize(
    ("default", "more", "limit"),
    [
        ('requests = 9, window = "600s", burst = 3', "", "default-burst"),
        ('requests = 3, window = "600s", burst = 3', TIER.format(requests=5, window="300s"), "default"),
        ('requests = 7, window = "900s", quota = { requests = 8, period = "month" }',
         TIER.format(requests=4, window="60s") + "burst = 4", "anonymous"),
        ('requests = 6, window = "60s"', '[limits]\nglobal = { requests = 3, window = "600s" }', "global"),
        ('requests = 6, window = "60s", precision = "hard"', TIER.format(requests=6, window="300s"), "anonymous"),
    ],
    ids=["burst", "own", "tier", "everybody", "hard"],
)  # fmt: skip
async def test_callers_are_told_what_they_would_be_of_limits_in_memory(
    default: str, more: str, limit: str, limited: Limited, gateway: Start
):
    limits = f"default = {{ {default} }}\n" + OTHER
    here, there = await gateway(ROUTE.format(limits=limits) + more), await limited(limits, more)
    for _ in range(8):
        expected, seconds = told(await ask(here))
        found, those = told(await ask(there))
        assert found == expected
        # They have been asked at different times.
        assert abs(those - seconds) <= 1
    assert expected[:2] == [429, limit]
    assert None not in expected


async def test_waiting_retry_after_is_enough(limited: Limited):
    hard = 'other = { requests = 1, window = "1s", precision = "hard" }\n'
    gw = await limited('default = { requests = 1, window = "1s" }\n' + hard)

    async def caller(path: str) -> list[int]:
        answers = [await ask(gw, path) for _ in range(2)]
        end = time.monotonic() + int(answers[-1].header("retry-after") or 0)
        await until(lambda: time.monotonic() >= end)
        answers.append(await ask(gw, path))
        return [answer.status for answer in answers]

    assert await asyncio.gather(*map(caller, ("/a", "/b"))) == [[502, 429, 502]] * 2


async def test_who_is_refused_by_two_limits_waits_for_both(limited: Limited):
    limits = 'default = { requests = 1, window = "600s" }\nother = { requests = 100, window = "600s" }\n'
    gw = await limited(limits, TIER.format(requests=3, window="10s"))
    answers = [await ask(gw, path) for path in ("/a", "/b", "/b", "/b", "/a")]
    assert [answer.status for answer in answers] == [502, 502, 502, 429, 429]
    # In ten seconds the tier lets in who has asked for /a, but the limit of /a does not.
    assert answers[-1].json()["limit"] == "default"
    assert int(answers[-1].header("retry-after") or 0) > 500


# -- several limits, and many at once


async def test_as_many_at_once_as_burst_says(limited: Limited):
    gw = await limited('default = { requests = 100, window = "6000s", burst = 4 }\n' + OTHER)
    answers = await asyncio.gather(*(ask(gw) for _ in range(40)))
    assert [answer.status for answer in answers].count(502) == 4
    assert {answer.json()["limit"] for answer in answers if answer.status == 429} == {"default-burst"}


async def test_tier_replaces_no_smaller_limit(limited: Limited):
    create = 'create = { requests = 2, window = "600s" }\n'
    route = '[[routes]]\npath = "/c"\nservice = "origin"\nrate_limit = "create"\n'
    gw = await limited(create + OTHER, TIER.format(requests=1000, window="600s") + route)
    answers = [await ask(gw, path) for path in ("/c", "/c", "/c", "/c", "/a")]
    assert [answer.status for answer in answers] == [502, 502, 429, 429, 502]
    assert [answer.json()["limit"] for answer in answers[2:4]] == ["create"] * 2
    assert answers[-1].header("x-ratelimit-remaining") == "997"
