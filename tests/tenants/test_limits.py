"""Limits that tenants have: shared by all callers of one, apart from the next one's, wherever they are counted."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.tenants.asking import SESSION, Start, bearer, get

FILE = (
    """
[tenancy]
from = ["header:X-Tenant-Id", "claim"]
need = "optional"
default_plan = "starter"
[plans.starter]
requests = 3
window = "600s"
[plans.business]
requests = 4
window = "600s"
burst = 2
quota = { requests = 50, period = "month" }
[tenants.acme]
plan = "business"
[tenants.small]
[tenants.tiny]
[services.origin]
url = "${ORIGIN}"
[defaults.routes]
requires_auth = false
[[routes]]
path = "/a"
service = "origin"
[[routes]]
path = "/b"
service = "origin"
[[routes]]
path = "/none"
service = "origin"
tenant = "ignored"
[[routes]]
path = "/by"
service = "origin"
limit = { requests = 2, window = "600s", by = "tenant" }
"""
    + SESSION
)
STORES = ["memory", "store", "cluster"]


@pytest.fixture(params=STORES)
def limited(request: pytest.FixtureRequest, gateway: Start, origin: Origin) -> Start:
    """Starts gateways that count in one of the stores."""
    state = ""
    if request.param != "memory":
        state = f'[state]\nurl = "{request.getfixturevalue(request.param).url}"\ntimeout = "5s"\n'
    return lambda text=FILE: gateway(state + text, origin)


async def statuses(gw: Gateway, *asked: bytes) -> list[int]:
    return [(await gw.ask(raw)).status for raw in asked]


def of(name: str, path: str = "/a") -> bytes:
    return get(path, f"X-Tenant-Id: {name}")


async def test_plan_counts_all_callers_of_a_tenant_over_all_routes(limited: Start):
    gw = await limited()
    member = get("/b", bearer(sub="u1", tenant="small"))
    asked = (of("small"), member, get("/a", bearer(sub="u2", tenant="small")), of("small", "/b"), member)
    assert await statuses(gw, *asked) == [200, 200, 200, 429, 429]


async def test_tenants_of_one_plan_are_counted_apart_and_those_without_one_not_at_all(limited: Start):
    gw = await limited()
    assert await statuses(gw, *[of("small")] * 4, *[of("tiny")] * 4) == [200, 200, 200, 429] * 2
    assert await statuses(gw, *[get("/a")] * 8, *[of("small", "/none")] * 8) == [200] * 16


async def test_refusal_tells_of_the_plan(limited: Start):
    gw = await limited()
    answers: list[Answer] = [await gw.ask(of("small")) for _ in range(4)]
    assert [answer.header("x-ratelimit-remaining") for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].json()["detail"] == "Tenant rate limit exceeded"
    assert answers[-1].json()["limit"] == "starter"
    assert int(answers[-1].header("retry-after") or 0) > 500
    assert (gw.records[-1].limit, gw.records[-1].tenant) == ("plan:starter", "small")


async def test_burst_and_quota_of_a_plan_are_the_tenants(limited: Start):
    gw = await limited()
    # Elsewhere a bucket has a lease, and is smaller by what comes into it meanwhile.
    holds = 1 if gw.worker.loaded.config.state.url.startswith("redis+cluster") else 2
    assert await statuses(gw, *[of("acme")] * 3) == [200] * holds + [429] * (3 - holds)
    answer = await gw.ask(of("acme"))
    assert answer.json()["limit"] == "business-burst"
    known = {one.key: one.left for one in await gw.worker.live.limits.known("t:acme")}
    assert known == {"plan:business": 4 - holds, "plan:business:burst": 0, "plan:business:month": 50 - holds}


async def test_a_routes_limit_by_tenant_is_one_for_each(limited: Start):
    gw = await limited()
    assert await statuses(gw, *[of("small", "/by")] * 3, *[of("tiny", "/by")] * 3) == [200, 200, 429] * 2
    # Who is for no tenant is known by its address, and so is nobody else's tenant.
    assert await statuses(gw, *[get("/by")] * 3) == [200, 200, 429]
    # The plan of `small` was not used by what the route refused.
    assert await statuses(gw, of("small"), of("small")) == [200, 429]


async def test_many_at_once_are_exactly_as_many_as_the_plan_allows(limited: Start):
    gw = await limited(FILE.replace("requests = 3\n", "requests = 40\n"))
    asked = [of("small"), get("/b", bearer(sub="u1", tenant="small"))] * 50
    answers = await asyncio.gather(*map(gw.ask, asked))
    assert sum(answer.status == 200 for answer in answers) == 40


@pytest.mark.parametrize("limited", ["store", "cluster"], indirect=True)
async def test_two_gateways_count_one_tenant_together(limited: Start):
    one, two = await limited(), await limited()
    found = [(await gw.ask(of("small"))).status for _ in range(3) for gw in (one, two)]
    assert sorted(found) == [200] * 3 + [429] * 3


async def test_what_a_tenant_used_is_given_back_by_its_name(limited: Start):
    gw = await limited()
    assert await statuses(gw, *[of("small")] * 4) == [200, 200, 200, 429]
    assert await gw.worker.live.limits.forget("t:small") == 1
    assert await statuses(gw, *[of("small")] * 4) == [200, 200, 200, 429]
