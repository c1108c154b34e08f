"""What callers are told of a version that ends, and what becomes of it after its sunset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from gwproxy.snapshot.bind import bind
from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.versions.asking import SERVICES, get, sources, version

Start = Callable[..., Awaitable[Gateway]]

ROUTE = """
[[routes]]
path = "/api/users/*"
method = "GET"
service = "old"
[routes.versions.v1]
deprecated = 2024-01-01
sunset = "2024-06-01"
documentation = "https://example.com/end?of=v1"
[routes.versions.v2]
sunset = 2030-01-01
documentation = "/docs/v2"
[routes.versions.v3]
[routes.versions.v4]
[routes.versions.v5]
deprecated = 2025-01-01
message = "Use v4, please"
"""
FILE = SERVICES + ROUTE
ENFORCED = sources("path", "header:X-API-Version", rest="enforce_sunset = true") + FILE
ENDS = ("Deprecation", "Sunset", "X-Deprecated-Message", "Link")


def at(year: int, month: int, day: int, second: int = 0) -> float:
    return datetime(year, month, day, 0, 0, 0, tzinfo=UTC).timestamp() + second


class Calendar:
    """A gateway whose calendar the test turns."""

    def __init__(self, gw: Gateway, now: float) -> None:
        self.now = now
        server = gw.worker.server
        slices = bind(server.bound.snapshot, gw.worker.live, lambda: self.now)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                server.use(end.value, server.trust)
                return


def told(answer: Answer) -> dict[str, list[str]]:
    return {name: answer.headers.named(name) for name in ENDS if name in answer.headers}


async def test_a_deprecated_version_tells_since_when_until_when_and_where_to_go(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    answer = await gw.ask(get("/api/v1/users/7/a?x=1"))
    assert answer.status == 200
    assert told(answer) == {
        "Deprecation": ["@1704067200"],
        "Sunset": ["Sat, 01 Jun 2024 00:00:00 GMT"],
        "X-Deprecated-Message": ["API v1 is deprecated. Please migrate to v4."],
        "Link": [
            '<https://example.com/end?of=v1>; rel="deprecation"',
            '</api/v4/users/7/a>; rel="successor-version"',
        ],
    }
    assert told(await gw.ask(get("/api/users/7/a", "X-API-Version: v1"))) == told(answer)


async def test_a_sunset_alone_says_no_deprecation(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    assert told(await gw.ask(get("/api/v2/users"))) == {
        "Sunset": ["Tue, 01 Jan 2030 00:00:00 GMT"],
        "Link": ['</docs/v2>; rel="sunset"', '</api/v4/users>; rel="successor-version"'],
    }


async def test_versions_that_stay_tell_nothing_of_ends(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    assert told(await gw.ask(get("/api/v3/users"))) == {}


async def test_the_last_version_has_no_successor_and_its_own_message(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    assert told(await gw.ask(get("/api/users"))) == {
        "Deprecation": ["@1735689600"], "X-Deprecated-Message": ["Use v4, please"],
    }  # fmt: skip


async def test_no_successor_is_linked_to_where_paths_say_no_version(origin: Origin, gateway: Start):
    gw = await gateway(sources("header:X-API-Version") + FILE, origin)
    answer = await gw.ask(get("/api/users", "X-API-Version: v1"))
    assert answer.headers.named("Link") == ['<https://example.com/end?of=v1>; rel="deprecation"']
    assert answer.header("X-Deprecated-Message") == "API v1 is deprecated. Please migrate to v4."


@pytest.mark.parametrize(
    ("rest", "links"),
    [
        ("a%3Eb", ['</api/v4/users/a%3Eb>; rel="successor-version"']), ('a>;x="', []), ("é", []), ("a<b", []), ("//", [
            '</api/v4/users///>; rel="successor-version"'
        ]),
    ],
)  # fmt: skip
async def test_a_path_never_breaks_out_of_its_link(origin: Origin, gateway: Start, rest: str, links: list[str]):
    gw = await gateway(FILE, origin)
    answer = await gw.ask(get(f"/api/v1/users/{rest}"))
    assert answer.status == 200
    assert [link for link in answer.headers.named("Link") if "successor" in link] == links


async def test_what_the_service_says_of_the_end_is_replaced_and_its_links_stay(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    head = "Deprecation: true\r\nsunset: soon\r\nX-DEPRECATED-MESSAGE: no\r\nLink: </x>; rel=next\r\nContent-Length: 2"
    origin.answer(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\nok".encode())
    found = told(await gw.ask(get("/api/v1/users")))
    assert found["Deprecation"] == ["@1704067200"]
    assert (len(found["Sunset"]), len(found["X-Deprecated-Message"])) == (1, 1)
    assert found["Link"][0] == "</x>; rel=next"
    assert len(found["Link"]) == 3


async def test_a_deprecation_to_come_is_dated_and_not_yet_a_message(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    calendar = Calendar(gw, at(2023, 12, 31, 86399))
    assert told(await gw.ask(get("/api/v1/users"))).keys() == {"Deprecation", "Sunset", "Link"}
    calendar.now = at(2024, 1, 1)
    assert told(await gw.ask(get("/api/v1/users"))).keys() == set(ENDS)


async def test_an_enforced_sunset_is_410_from_its_first_second_on(origin: Origin, gateway: Start):
    gw = await gateway(ENFORCED, origin)
    calendar = Calendar(gw, at(2024, 5, 31, 86399))
    before = await gw.ask(get("/api/v1/users/7"))
    assert before.status == 200
    calendar.now = at(2024, 6, 1)
    answer = await gw.ask(get("/api/v1/users/7"))
    problem = answer.json()
    assert (answer.status, problem["code"], problem["detail"]) == (410, "version_gone", "API version v1 is gone")
    assert problem["supported"] == ["v2", "v3", "v4", "v5"]
    assert told(answer) == told(before)
    assert version(answer) == "v1"
    assert (await gw.ask(get("/api/users/7", "X-API-Version: v1"))).status == 410
    assert len(origin.seen) == 1
    assert (await gw.ask(get("/api/v9/users/7"))).json()["supported"] == ["v2", "v3", "v4", "v5"]


async def test_a_sunset_that_is_not_enforced_refuses_nobody(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    Calendar(gw, at(2040, 1, 1))
    assert [(await gw.ask(get(f"/api/{name}/users"))).status for name in ("v1", "v2", "v3")] == [200, 200, 200]


async def test_refusals_of_other_kinds_tell_the_version_too(origin: Origin, gateway: Start):
    closed = FILE.replace('method = "GET"', 'method = "GET"\nrequires_auth = true')
    gw = await gateway(closed, origin)
    answer = await gw.ask(get("/api/v1/users"))
    assert (answer.status, version(answer)) == (401, "v1")
    assert told(answer).keys() == set(ENDS)
    paused = FILE.replace('method = "GET"', 'method = "GET"\nmaintenance = true')
    gw = await gateway(paused, origin)
    answer = await gw.ask(get("/api/v1/users"))
    assert (answer.status, version(answer)) == (503, "v1")


@pytest.mark.parametrize("key", ["requires_auth", "maintenance"])
async def test_whether_there_is_such_a_version_is_asked_before_anything_else(
    origin: Origin, gateway: Start, key: str
):
    shut = ENFORCED.replace('method = "GET"', f'method = "GET"\n{key} = true')
    gw = await gateway(shut, origin)
    assert [(await gw.ask(get(f"/api/{name}/users"))).status for name in ("v1", "v9")] == [410, 400]
    assert (await gw.ask(get("/api/v3/users"))).status in (401, 503)


async def test_a_service_that_cannot_be_reached_is_told_with_the_version(gateway: Start, origin: Origin):
    gw = await gateway(FILE, origin)
    await origin.stop_listening()
    answer = await gw.ask(get("/api/v1/users"))
    assert (answer.status, version(answer)) == (502, "v1")
