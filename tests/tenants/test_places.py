"""Where a tenant is named in less usual files: in paths with versions, below several domains, without "claim"."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gwproxy.config.load import loads
from gwproxy.steps.tenancy import Param
from tests.support.origin import Origin
from tests.support.running import with_listener
from tests.tenants.asking import MISMATCH, MISSING, SESSION, UNKNOWN, Start, bearer, get, problem, told

TENANTS = """
[plans.free]
requests = 100
window = "60s"
[tenants.acme]
plan = "free"
[tenants.small]
[tenants.gone]
active = false
[services.origin]
url = "${ORIGIN}"
"""

# -- versions

VERSIONED = (
    """
[tenancy]
from = ["path"]
[versioning]
path_prefix = "{prefix}"
[[routes]]
path = "{path}"
service_path = "/of/:tenant"
[routes.versions.v1]
service = "origin"
[routes.versions.v2]
service = "origin"
"""
    + TENANTS
)


@pytest.mark.parametrize(
    ("prefix", "path", "asked"),
    [
        # The version comes before the tenant, next to it or not.
        ("/", "/tenants/:tenant/users", "/{version}/tenants/{tenant}/users"),
        ("/api", "/api/:tenant/users", "/api/{version}/{tenant}/users"),
        ("/api/of", "/api/of/users/:tenant", "/api/of/{version}/users/{tenant}"),
        ("/api/tenants", "/api/tenants/:tenant", "/api/tenants/{version}/{tenant}"),
    ],
)
async def test_tenant_is_the_same_segment_with_a_version_in_the_path(
    gateway: Start, origin: Origin, prefix: str, path: str, asked: str
):
    gw = await gateway(VERSIONED.replace("{prefix}", prefix).replace("{path}", path), origin)
    for name, plan in (("acme", "free"), ("small", None)):
        for version in ("v1", "v2"):
            answer = await gw.ask(get(asked.format(version=version, tenant=name)))
            assert (answer.status, answer.header("X-API-Version")) == (200, version)
            assert told(origin.last) == (name, plan)
            assert origin.last.target.decode() == f"/of/{name}"
        answer = await gw.ask(get(path.replace(":tenant", name), "X-API-Version: v1"))
        assert (answer.status, answer.header("X-API-Version")) == (200, "v1")
        assert told(origin.last) == (name, plan)
    seen = len(origin.seen)
    assert problem(await gw.ask(get(asked.format(version="v1", tenant="gone")))) == UNKNOWN
    assert (await gw.ask(get(asked.format(version="v9", tenant="acme")))).status == 400
    assert len(origin.seen) == seen


def test_param_moves_behind_a_segment_that_comes_before_it_or_takes_its_place():
    param = Param(1)
    exchange = SimpleNamespace(raw=[b"a", b"b", b"c"])
    assert [param.behind(at)(exchange) for at in (0, 1, 2, 3)] == [b"c", b"c", b"b", b"b"]  # type: ignore[arg-type]


# -- another param, and aggregations


async def test_param_may_have_another_name(gateway: Start, origin: Origin):
    text = '[tenancy]\nfrom = ["path:org"]\n[[routes]]\npath = "/:tenant/:org"\nservice = "origin"\n'
    gw = await gateway(text + TENANTS, origin)
    assert (await gw.ask(get("/small/acme"))).status == 200
    assert told(origin.last) == ("acme", "free")
    assert problem(await gw.ask(get("/acme/nobody"))) == UNKNOWN


async def test_aggregation_asks_for_a_tenant_as_routes_do(gateway: Start, origin: Origin):
    text = '[tenancy]\nfrom = ["subdomain", "path"]\nbase_domains = ["example.com"]\n'
    for path, need in (("/both/:tenant", ""), ("/some", 'tenant = "optional"'), ("/all", 'tenant = "ignored"')):
        text += f'[[aggregations]]\npath = "{path}"\n{need}\n'
        text += 'parts = [{ as = "a", service = "origin", path = "/a" }]\n'
    gw = await gateway(text + TENANTS, origin)
    assert problem(await gw.ask(get("/both/gone"))) == UNKNOWN
    assert problem(await gw.ask(get("/some", host="gone.example.com"))) == UNKNOWN
    for raw in (get("/both/acme"), get("/some"), get("/all", host="gone.example.com")):
        assert (await gw.ask(raw)).json()["code"] == "not_implemented"
    answer = await gw.ask(get("/both/acme"))
    # Its plan counts there too.
    assert answer.header("X-RateLimit-Limit") == "100"
    assert [record.tenant for record in gw.records] == [None, None, "acme", None, None, "acme"]


# -- several domains

DOMAINS = (
    """
[tenancy]
from = ["subdomain"]
base_domains = ["example.com", "EU.example.com", "example.org"]
reserved = ["www", "eu"]
need = "optional"
[[routes]]
path = "/*"
service = "origin"
"""
    + TENANTS
)


@pytest.mark.parametrize(
    ("host", "tenant"),
    [
        ("acme.example.com", "acme"),
        ("acme.eu.example.com", "acme"),
        ("Small.example.org:8443", "small"),
        ("eu.example.com", None),
        ("www.eu.example.com", None),
        ("example.com", None),
        ("acme.us.example.com", None),
        ("acmeexample.com", None),
        ("acme.example.com.evil.test", None),
        ("acme", None),
        ("[::1]", None),
    ],
)
async def test_tenant_is_the_one_label_before_the_longest_domain(
    gateway: Start, origin: Origin, host: str, tenant: str | None
):
    gw = await gateway(DOMAINS, origin)
    assert (await gw.ask(get("/a", host=host))).status == 200
    assert told(origin.last)[0] == tenant


async def test_a_domain_of_the_list_is_no_tenant_of_a_shorter_one(gateway: Start, origin: Origin):
    gw = await gateway(DOMAINS.replace('"www", "eu"', '"www"') + "[tenants.eu]\n", origin)
    assert (await gw.ask(get("/a", host="eu.example.com"))).status == 200
    assert told(origin.last) == (None, None)
    assert (await gw.ask(get("/a", host="eu.example.org"))).status == 200
    assert told(origin.last) == ("eu", None)


# -- who belongs to a tenant

MEMBERS = (
    """
[tenancy]
from = [{sources}]
[[routes]]
path = "/a"
service = "origin"
requires_auth = false
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
"""
    + SESSION
    + TENANTS
)
WITH, WITHOUT = '"header:X-Tenant-Id", "claim"', '"header:X-Tenant-Id"'
ACME = "X-Tenant-Id: acme"


@pytest.mark.parametrize(
    ("sources", "path", "fields", "outcome"),
    [
        # A credential without a tenant.
        (WITH, "/a", (ACME, bearer()), MISMATCH),
        (WITHOUT, "/a", (ACME, bearer()), "acme"),
        (WITH, "/maybe", (bearer(),), None),
        # One with another.
        (WITH, "/a", (ACME, bearer(tenant="small")), MISMATCH),
        (WITHOUT, "/a", (ACME, bearer(tenant="small")), MISMATCH),
        (WITHOUT, "/a", (ACME, bearer(tenant="Acme")), MISMATCH),
        # One with the same.
        (WITHOUT, "/a", (ACME, bearer(tenant="acme")), "acme"),
        # A request that names none.
        (WITH, "/a", (bearer(tenant="acme"),), "acme"),
        (WITHOUT, "/a", (bearer(tenant="acme"),), MISSING),
        (WITH, "/maybe", (bearer(tenant="acme"),), "acme"),
        (WITHOUT, "/maybe", (bearer(tenant="acme"),), "acme"),
        (WITH, "/maybe", (bearer(tenant="gone"),), UNKNOWN),
        (WITHOUT, "/maybe", (bearer(tenant="gone"),), UNKNOWN),
        (WITHOUT, "/maybe", (bearer(tenant="nobody"),), UNKNOWN),
        # Who has proved nothing belongs to nobody.
        (WITH, "/a", (ACME, "Authorization: Bearer x"), "acme"),
        (WITH, "/a", ("Authorization: Bearer x",), MISSING),
    ],
)
async def test_who_is_served_as_whom(
    gateway: Start, origin: Origin, sources: str, path: str, fields: tuple[str, ...], outcome: object
):
    gw = await gateway(MEMBERS.replace("{sources}", sources), origin)
    answer = await gw.ask(get(path, *fields))
    if isinstance(outcome, tuple):
        assert (problem(answer), origin.seen) == (outcome, [])
        return
    assert answer.status == 200
    assert told(origin.last) == (outcome, "free" if outcome == "acme" else None)
    assert gw.records[-1].tenant == outcome
    # A plan counts whoever is served for it.
    assert answer.header("X-RateLimit-Limit") == ("100" if outcome == "acme" else None)


async def test_route_that_ignores_tenants_says_what_the_credential_says(gateway: Start, origin: Origin):
    gw = await gateway(MEMBERS.replace("{sources}", WITH), origin)
    assert (await gw.ask(get("/none", "X-Tenant-Id: small", bearer(tenant="acme")))).status == 200
    assert told(origin.last) == ("acme", None)


# -- reload


async def test_tenant_that_a_reload_ends_is_refused_on_the_connection_that_it_has(gateway: Start, origin: Origin):
    text = MEMBERS.replace("{sources}", WITH)
    gw = await gateway(text, origin)
    caller = await gw.connect()
    asked = [get("/a", ACME), get("/a", bearer(tenant="acme")), get("/maybe", ACME, bearer(tenant="acme"))]
    assert [(await caller.ask(raw)).status for raw in asked] == [200] * 3

    async def put_in_force(changed: str) -> None:
        await gw.worker.reload(loads(with_listener(changed), environ={"ORIGIN": origin.url}))

    await put_in_force(text.replace("[tenants.acme]", "[tenants.acme]\nactive = false"))
    assert [problem(await caller.ask(raw)) for raw in asked] == [UNKNOWN] * 3
    assert (await caller.ask(get("/a", "X-Tenant-Id: small"))).status == 200
    gold = "[plans.gold]\nrequests = 7\nwindow = '1s'\n"
    await put_in_force(text.replace('plan = "free"', 'plan = "gold"') + gold)
    for raw in asked:
        answer = await caller.ask(raw)
        assert (answer.status, answer.header("X-RateLimit-Limit")) == (200, "7")
        assert told(origin.last) == ("acme", "gold")
