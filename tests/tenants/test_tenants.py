"""Whose tenant's a request is, over real sockets: who is served, as whom, by which target, and who is not."""

from __future__ import annotations

import pytest

from tests.support.origin import Origin
from tests.tenants.asking import MISMATCH, MISSING, SESSION, UNKNOWN, Start, bearer, get, problem

CONFIG = f"""
[tenancy]
from = ["subdomain", "header:X-Tenant-Id", "path", "claim"]
base_domains = ["example.com"]
default_plan = "free"

[plans.free]
requests = 2
window = "60s"
[plans.business]
requests = 1000
window = "60s"

[tenants.acme]
plan = "business"
[tenants.small]
[tenants.gone]
active = false
[tenants.bigco]
plan = "business"
targets = {{ origin = "${{OWN}}" }}

{SESSION}

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
path = "/maybe"
service = "origin"
requires_auth = false
tenant = "optional"

[[routes]]
path = "/none"
service = "origin"
requires_auth = false
tenant = "ignored"

[[routes]]
path = "/tenants/:tenant/a"
service = "origin"
requires_auth = false
"""


@pytest.fixture
def start(gateway: Start, origin: Origin) -> Start:
    return lambda: gateway(CONFIG, origin=origin, own=origin.url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("raw", "tenant", "plan"),
    [
        (get("/a", host="acme.example.com"), "acme", "business"),
        (get("/a", host="ACME.Example.com:8080"), "acme", "business"),
        (get("/a", "X-Tenant-Id: acme"), "acme", "business"),
        (get("/a", "X-Tenant-Id: acme", host="www.example.com"), "acme", "business"),
        (get("/a", "X-Tenant-Id: small", host="acme.example.com"), "acme", "business"),
        (get("/tenants/small/a"), "small", "free"),
        (get("/tenants/%73mall/a"), "small", "free"),
        (get("/known", bearer(tenant="acme")), "acme", "business"),
        (get("/known", bearer(tenant="acme"), host="acme.example.com"), "acme", "business"),
        (get("/maybe", "X-Tenant-Id: acme"), "acme", "business"),
        (get("/maybe"), None, None),
        (get("/maybe", host="a.acme.example.com"), None, None),
        (get("/maybe", host="acme.example.org"), None, None),
        (get("/maybe", host="example.com"), None, None),
        (get("/maybe", "X_Tenant_Id: acme"), None, None),
        (get("/none", "X-Tenant-Id: acme", host="acme.example.com"), None, None),
    ],
)
async def test_a_tenant_is_found_and_told(
    start: Start, origin: Origin, raw: bytes, tenant: str | None, plan: str | None
) -> None:
    gw = await start()
    assert (await gw.ask(raw)).status == 200
    sent = origin.seen[0]
    assert sent.headers.named("X-Tenant-Id") == ([tenant] if tenant else [])
    assert sent.headers.named("X-Tenant-Plan") == ([plan] if plan else [])
    assert gw.records[0].tenant == tenant


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (get("/a"), MISSING),
        (get("/a", host="www.example.com"), MISSING),
        (get("/a", host="api.example.com"), MISSING),
        (get("/a", host="127.0.0.1"), MISSING),
        (get("/known", bearer()), MISSING),
        (get("/a", host="nobody.example.com"), UNKNOWN),
        (get("/a", host="gone.example.com"), UNKNOWN),
        (get("/a", "X-Tenant-Id: ACME"), UNKNOWN),
        (get("/a", "X-Tenant-Id: acme", "X-Tenant-Id: acme"), UNKNOWN),
        (get("/a", "X-Tenant-Id: ../acme"), UNKNOWN),
        (get("/tenants/nobody/a"), UNKNOWN),
        (get("/tenants/gone/a"), UNKNOWN),
        (get("/known", bearer(tenant="gone")), UNKNOWN),
        (get("/known", bearer(tenant="nobody")), UNKNOWN),
        (get("/known", bearer(tenant="acme"), host="small.example.com"), MISMATCH),
        (get("/known", bearer(tenant="acme"), "X-Tenant-Id: small"), MISMATCH),
        (get("/known", bearer(), host="small.example.com"), MISMATCH),
        (get("/a", bearer(tenant="acme"), host="small.example.com"), MISMATCH),
    ],
)
async def test_who_names_no_tenant_or_another_is_refused(
    start: Start, origin: Origin, raw: bytes, told: tuple[int, str, str]
) -> None:
    gw = await start()
    assert problem(await gw.ask(raw)) == told
    assert origin.seen == []


@pytest.mark.asyncio
async def test_an_unknown_tenant_is_refused_before_anybody_is_asked_who_he_is(start: Start) -> None:
    gw = await start()
    assert problem(await gw.ask(get("/known", host="nobody.example.com"))) == UNKNOWN
    assert (await gw.ask(get("/known", host="acme.example.com"))).status == 401


@pytest.mark.asyncio
async def test_a_plan_is_shared_by_all_callers_of_its_tenant(start: Start) -> None:
    gw = await start()
    for who in ("u1", "u2"):
        answer = await gw.ask(get("/known", bearer(sub=who, tenant="small")))
        assert answer.status == 200
        assert answer.header("x-ratelimit-limit") == "2"
    answer = await gw.ask(get("/a", host="small.example.com"))
    assert problem(answer) == (429, "rate_limited", "Tenant rate limit exceeded")
    assert answer.json()["limit"] == "free"
    assert (await gw.ask(get("/a", host="acme.example.com"))).status == 200


@pytest.mark.asyncio
async def test_one_connection_serves_one_tenant_after_another(start: Start, origin: Origin) -> None:
    gw = await start()
    caller = await gw.connect()
    for name in ("acme", "bigco", "acme"):
        assert (await caller.ask(get(f"/tenants/{name}/a"))).status == 200
        assert origin.seen[-1].header("x-tenant-id") == name


@pytest.mark.asyncio
async def test_a_tenant_with_a_target_of_its_own_is_served_by_it_alone(
    gateway: Start, origin: Origin, level: object
) -> None:
    own = Origin()
    await own.start()
    gw = await gateway(CONFIG, origin=origin, own=own.url)
    for name in ("acme", "bigco"):
        assert (await gw.ask(get("/a", host=f"{name}.example.com"))).status == 200
    await gw.ask(get("/maybe"))
    assert [sent.header("x-tenant-id") for sent in origin.seen] == ["acme", None]
    assert [sent.header("x-tenant-id") for sent in own.seen] == ["bigco"]
    await gw.stop()
    await own.stop()
