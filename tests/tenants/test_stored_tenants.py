"""Tenants that a store has besides the file's, over real sockets and real stores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.client import Answer
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.recorded import looked_up, put
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.store import StoreServer
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]
StoreKind = StoreServer | StoreCluster | StoreSentinel

CONFIG = f"""
[state]
url = "${{STORE}}"
timeout = "${{TIMEOUT:-5s}}"

[tenancy]
from = ["header:X-Tenant-Id", "claim"]
store = true
cache = "${{CACHE:-30s}}"
default_plan = "free"

[plans.free]
requests = 3
window = "600s"
[plans.business]
requests = 1000
window = "600s"

[tenants.infile]
plan = "business"
[tenants.closed]
active = false

[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/a"
service = "origin"
requires_auth = false

[[routes]]
path = "/known"
service = "origin"
requires_auth = true

[[routes]]
path = "/none"
service = "origin"
requires_auth = false
tenant = "ignored"
"""


@pytest.fixture
def start(gateway: Start, origin: Origin, store: StoreServer) -> Callable[..., Awaitable[Gateway]]:
    return lambda **values: gateway(CONFIG, origin=origin, store=store.url, **values)


async def ask(gw: Gateway, tenant: str, path: str = "/a", *fields: str) -> Answer:
    lines = "".join(f"{field}\r\n" for field in (f"X-Tenant-Id: {tenant}" if tenant else "X-None: 1", *fields))
    return await gw.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())


def told(origin: Origin) -> tuple[str | None, str | None]:
    return origin.seen[-1].header("x-tenant-id"), origin.seen[-1].header("x-tenant-plan")


@pytest.fixture(params=["store", "cluster", "sentinel"])
def stored(request: pytest.FixtureRequest) -> StoreKind:
    kept: StoreKind = request.getfixturevalue(request.param)
    return kept


async def test_a_tenant_of_the_store_is_served_by_its_plan(stored: StoreKind, gateway: Start, origin: Origin):
    await put(stored, "tenant", "acme", {"plan": "business"})
    await put(stored, "tenant", "small", {})
    await put(stored, "tenant", "gone", {"active": False})
    gw = await gateway(CONFIG, origin=origin, store=stored.url)
    for name, plan in (("acme", "business"), ("small", "free"), ("infile", "business")):
        assert (await ask(gw, name)).status == 200
        assert told(origin) == (name, plan)
    for name in ("gone", "nobody", "closed"):
        answer = await ask(gw, name)
        assert (answer.status, answer.json()["code"]) == (403, "tenant_inactive")


async def test_its_callers_share_what_its_plan_allows(start, store: StoreServer):
    await put(store, "tenant", "small", {})
    gw = await start()
    assert [(await ask(gw, "small")).status for _ in range(5)] == [200, 200, 200, 429, 429]


async def test_a_credential_names_a_tenant_of_the_store(start, origin: Origin, store: StoreServer):
    await put(store, "tenant", "acme", {"plan": "business"})
    gw = await start()
    bearer = f"Authorization: Bearer {token({'tenant': 'acme'})}"
    assert [(await ask(gw, "", "/known", bearer)).status for _ in range(2)] == [200, 200]
    assert told(origin) == ("acme", "business")
    other = f"Authorization: Bearer {token({'tenant': 'nobody'})}"
    assert (await ask(gw, "", "/known", other)).json()["code"] == "tenant_inactive"
    await put(store, "tenant", "rival", {})
    assert (await ask(gw, "rival", "/known", bearer)).json()["code"] == "tenant_mismatch"


async def test_what_the_file_says_of_a_tenant_counts(start, store: StoreServer):
    await put(store, "tenant", "closed", {"active": True})
    gw = await start()
    assert (await ask(gw, "closed")).status == 403
    assert await looked_up(store) == 0


@pytest.mark.parametrize("name", ["www", "api", "ACME", "a b", "-a", "a_b", "a}x{b", "a" * 64, "%61", "*", "a.b"])
async def test_only_what_could_be_a_tenant_is_ever_asked_for(name: str, start, store: StoreServer):
    await put(store, "tenant", name, {})
    gw = await start()
    assert (await ask(gw, name)).json()["code"] == "tenant_inactive"
    assert await looked_up(store) == 0


async def test_routes_that_look_for_no_tenant_ask_nobody(start, store: StoreServer):
    gw = await start()
    assert (await ask(gw, "acme", "/none")).status == 200
    assert await looked_up(store) == 0


async def test_a_plan_that_does_not_exist_is_the_default_one_and_told_once(
    start, origin: Origin, store: StoreServer, caplog
):
    await put(store, "tenant", "acme", {"plan": "gold"})
    gw = await start(cache="1ms")
    for _ in range(3):
        assert (await ask(gw, "acme")).status == 200
    assert told(origin) == ("acme", "free")
    assert caplog.text.count("there is no plan gold") == 1


@pytest.mark.parametrize("record", [b"rubbish", b"[]", b'{"active": 1}', b'{"targets": {}}', b"x" * 9000])
async def test_a_record_that_cannot_be_read_is_no_tenants(record: bytes, start, store: StoreServer, caplog):
    await put(store, "tenant", "acme", record)
    gw = await start()
    assert [(await ask(gw, "acme")).json()["code"] for _ in range(3)] == ["tenant_inactive"] * 3
    assert caplog.text.count("cannot be read") == 1


async def test_a_tenant_that_is_closed_is_refused_within_cache_on_a_kept_connection_too(start, store: StoreServer):
    await put(store, "tenant", "acme", {"plan": "business"})
    gw = await start(cache="300ms")
    client = await gw.connect()
    raw = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Tenant-Id: acme\r\n\r\n"
    assert (await client.ask(raw)).status == 200
    await put(store, "tenant", "acme", {"plan": "business", "active": False})
    loop = asyncio.get_running_loop()
    end = loop.time() + 0.4
    status = 200
    while loop.time() < end:
        status = (await client.ask(raw)).status
    assert status == 403


async def test_while_the_store_fails_tenants_that_are_not_known_are_told_to_come_again(
    start, store: StoreServer
):
    await put(store, "tenant", "acme", {"plan": "business"})
    await put(store, "tenant", "other", {"plan": "business"})
    gw = await start(timeout="100ms")
    assert (await ask(gw, "acme")).status == 200
    await store.stop()
    for _ in range(3):
        answer = await ask(gw, "other")
        assert (answer.status, answer.json()["code"]) == (503, "state_unavailable")
        assert int(answer.header("retry-after") or 0) >= 1
    bearer = f"Authorization: Bearer {token({'tenant': 'other'})}"
    assert (await ask(gw, "", "/known", bearer)).status == 503
    assert [(await ask(gw, name)).status for name in ("acme", "infile")] == [200, 200]
