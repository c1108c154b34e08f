"""Limits of callers who are known follow the caller, not its connection or its address, wherever it is counted."""

from __future__ import annotations

import asyncio

import pytest

from gwproxy.config.load import loads
from gwproxy.limits.caller import who_is
from tests.auth.attacking import KEY, Now, Start, api_keys, bearer, get, jwt
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.tokens import NOW, token

TIERS = """
[gateway]
trusted_proxies = ["127.0.0.1"]
[auth]
default_tier = "basic"
[tiers.anonymous]
requests = 2
window = "600s"
[tiers.basic]
requests = 4
window = "600s"
[tiers.pro]
requests = 8
window = "600s"
burst = 6
"""
SERVICE = """
[services.origin]
url = "${ORIGIN}"
[services.origin.rate_limits]
default = { requests = 100, window = "600s" }
create = { requests = 3, window = "600s", tiers = { pro = 5, anonymous = 1 } }
[[routes]]
path = "/*"
service = "origin"
requires_auth = false
[[routes]]
path = "/known"
service = "origin"
requires_auth = true
[[routes]]
path = "/create"
service = "origin"
requires_auth = false
rate_limit = "create"
"""
FILE = TIERS + jwt() + api_keys(entry='tier = "pro"') + SERVICE


@pytest.fixture(params=["memory", "store", "cluster"])
def state(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    return f'[state]\nurl = "{request.getfixturevalue(request.param).url}"\ntimeout = "5s"\n'


def by(id_: str, tier: str = "basic", **claims: object) -> str:
    return bearer(token({"sub": id_, "tier": tier, **claims}))


def at(address: str) -> str:
    return f"X-Forwarded-For: {address}"


async def statuses(gw: Gateway, count: int, *fields: str, path: str = "/x") -> list[int]:
    return [(await gw.ask(get(path, *fields))).status for _ in range(count)]


async def test_a_tier_is_counted_by_id_over_connections_and_addresses(
    state: str, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(state + FILE, origin=origin)
    who = by("u1")
    kept = await gw.connect()
    found = []
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.1", "192.0.2.9", "192.0.2.1"):
        found.append((await gw.ask(get("/x", who, at(address)))).status)
    assert found == [200] * 4 + [429] * 2
    assert (await kept.ask(get("/known", who, at("192.0.2.3")))).status == 429
    # Another token of the same caller, and another caller.
    assert await statuses(gw, 1, by("u1", jti=2)) == [429]
    assert await statuses(gw, 5, by("u2")) == [200] * 4 + [429]


async def test_a_known_caller_and_its_address_are_two(state: str, gateway: Start, origin: Origin) -> None:
    """And bad credentials are anonymous: they buy no counter of their own."""
    gw = await gateway(state + FILE, origin=origin)
    here = at("192.0.2.1")
    assert await statuses(gw, 3, here) == [200, 200, 429]
    assert await statuses(gw, 4, here, by("u1")) == [200] * 4
    for number in range(3):
        assert await statuses(gw, 1, here, bearer(token({"sub": f"x{number}"})[:-1])) == [429]
        assert await statuses(gw, 1, here, f"X-API-Key: {KEY}{number}") == [429]
    assert await statuses(gw, 3, at("192.0.2.2"), bearer("x")) == [200, 200, 429]


async def test_an_id_that_looks_like_an_address_is_not_one(state: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(state + FILE, origin=origin)
    assert await statuses(gw, 3, at("192.0.2.1")) == [200, 200, 429]
    for id_ in ("192.0.2.1", "a:192.0.2.1", "anonymous", "p:u1", "header:x=y", "{l}", "u1:u2"):
        assert await statuses(gw, 5, by(id_), at("192.0.2.1")) == [200] * 4 + [429], id_
    assert await statuses(gw, 4, by("u1")) == [200] * 4


async def test_a_tier_has_its_own_number_and_burst(state: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(state + FILE, origin=origin)
    answers = await asyncio.gather(*(gw.ask(get("/x", by("p1", "pro"))) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 6 + [429] * 14
    assert {answer.json()["limit"] for answer in answers if answer.status == 429} == {"pro-burst"}
    # An unknown tier is the default one, and says so.
    answer = await gw.ask(get("/x", by("g1", "gold")))
    assert answer.header("ratelimit-policy") == '"basic";q=4;w=600, "default";q=100;w=600'


async def test_a_limit_with_a_name_has_other_numbers_for_some_tiers(
    state: str, gateway: Start, origin: Origin
) -> None:
    """Beside the tier's own limit: both count, and what is refused spends nothing of either."""
    gw = await gateway(state + FILE, origin=origin)
    assert await statuses(gw, 2, at("192.0.2.1"), path="/create") == [200, 429]
    assert await statuses(gw, 1, at("192.0.2.1")) == [200]
    assert await statuses(gw, 5, by("u1"), path="/create") == [200] * 3 + [429] * 2
    assert await statuses(gw, 2, by("u1")) == [200, 429]
    assert await statuses(gw, 7, f"X-API-Key: {KEY}", path="/create") == [200] * 5 + [429] * 2
    # The burst of its tier has one left.
    assert await statuses(gw, 2, f"X-API-Key: {KEY}") == [200, 429]


async def test_who_is_refused_for_who_he_is_spends_nothing(state: str, gateway: Start, origin: Origin) -> None:
    """401 and 403 come before the limits."""
    text = state + FILE + '[[routes]]\npath = "/admin"\nservice = "origin"\nroles = ["admin"]\n[roles]\nadmin = ["*"]\n'
    gw = await gateway(text, origin=origin)
    assert await statuses(gw, 20, by("u1"), path="/admin") == [403] * 20
    assert await statuses(gw, 20, path="/known") == [401] * 20
    assert await statuses(gw, 5, by("u1")) == [200] * 4 + [429]


async def test_an_operator_sees_a_caller_by_its_id_and_gives_back(state: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(state + FILE, origin=origin)
    limits = gw.worker.live.limits
    for id_, written in (
        ("u1", "u1"), ("a b", "id:a b"), ("192.0.2.7", "id:192.0.2.7"), ("ü" * 60, "id:" + "ü" * 60),
        ("id:x", "id:id:x"),
    ):  # fmt: skip
        assert await statuses(gw, 5, by(id_)) == [200] * 4 + [429]
        who = who_is(written, 64)
        left = {one.key: one.left for one in await limits.known(who)}
        assert left == {"limit:origin.default": 96, "tier:basic": 0}, id_
        assert await limits.forget(who) == 2
        assert await statuses(gw, 1, by(id_)) == [200]


async def test_a_caller_whose_tier_changes_is_counted_by_the_new_one_at_once(
    state: str, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(state + FILE, origin=origin)
    caller = await gw.connect()
    assert [(await caller.ask(get("/x", by("u1")))).status for _ in range(5)] == [200] * 4 + [429]
    assert (await caller.ask(get("/x", by("u1", "pro")))).status == 200
    assert (await caller.ask(get("/x", by("u1")))).status == 429


async def test_a_reload_lets_no_known_caller_begin_anew(state: str, gateway: Start, origin: Origin) -> None:
    text = state + FILE
    gw = await gateway(text, origin=origin)
    assert await statuses(gw, 3, by("u1")) == [200] * 3
    more = loads(with_listener(text.replace("requests = 8", "requests = 9")), environ={"ORIGIN": origin.url})
    await gw.worker.reload(more)
    assert await statuses(gw, 2, by("u1")) == [200, 429]


async def test_an_expired_caller_is_counted_by_its_address(state: str, gateway: Start, origin: Origin) -> None:
    """On the connection on which it was known."""
    gw = await gateway(state + FILE, origin=origin)
    clock = Now(gw, NOW)
    caller = await gw.connect()
    request = get("/x", by("u1", exp=NOW + 10), at("192.0.2.1"))
    assert [(await caller.ask(request)).status for _ in range(2)] == [200] * 2
    clock.now += 100
    assert [(await caller.ask(request)).status for _ in range(3)] == [200, 200, 429]
    assert [sent.header("x-user-id") for sent in origin.seen] == ["u1", "u1", None, None]
