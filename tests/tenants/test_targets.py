"""Targets that tenants have of their own: whose address a template becomes, and who is sent there."""

from __future__ import annotations

import pytest

from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.types import TargetSpec
from tests.support.origin import Origin
from tests.tenants.asking import MISMATCH, SESSION, Start, bearer, get, problem, told

SERVICES = """
[tenancy]
from = ["path", "claim"]
[services.users]
url = "https://users.internal.example.com"
tenant_url = "https://{service}-{tenant}.internal.example.com/of/{tenant}"
preserve_host = true
tls = { verify = false }
[services.orders]
url = "http://orders:81"
tenant_url = "http://{tenant}.orders:82"
[services.search]
url = "http://search"
[[routes]]
path = "/:tenant"
service = "users"
"""


def own(tenants: str) -> dict[tuple[str, str], TargetSpec]:
    """The targets of tenants, by service and tenant; they are one each."""
    tenancy = compile(loads(SERVICES + tenants)).tenancy
    assert tenancy is not None
    found = {(service, name): spec for service, specs in tenancy.own.items() for name, spec in specs.items()}
    assert all(len(spec.targets) == 1 for spec in found.values())
    return {key: spec.targets[0] for key, spec in found.items()}


def test_template_becomes_the_address_of_a_tenant():
    target = own("[tenants.acme-corp]\ndedicated = true")[("users", "acme-corp")]
    assert target == TargetSpec(
        name="users-acme-corp.internal.example.com:443", tls=True, host="users-acme-corp.internal.example.com",
        port=443, unix="", prefix=b"/of/acme-corp", authority=b"users-acme-corp.internal.example.com", weight=1,
    )  # fmt: skip


def test_what_else_a_service_says_holds_for_tenants_targets_too():
    snapshot = compile(loads(SERVICES + "[tenants.acme]\ndedicated = true"))
    assert snapshot.tenancy is not None
    assert snapshot.tenancy.own["users"]["acme"].tls == snapshot.services["users"].tls
    assert snapshot.tenancy.own["users"]["acme"].tls.verify is False


@pytest.mark.parametrize(
    ("dedicated", "expected"),
    [
        ("true", {"users": "users-a.internal.example.com:443", "orders": "a.orders:82"}),
        ("false", {}),
        ("[]", {}),
        ('["orders"]', {"orders": "a.orders:82"}),
        ('["orders"]\ntargets = { search = "http://x:1" }', {"orders": "a.orders:82", "search": "x:1"}),
        ('true\ntargets = { users = "http://x:1" }', {"users": "x:1", "orders": "a.orders:82"}),
        ('false\ntargets = { users = "http://x:1" }', {"users": "x:1"}),
    ],
)
def test_dedicated_says_of_which_services(dedicated: str, expected: dict[str, str]):
    found = own(f"[tenants.b]\n[tenants.a]\ndedicated = {dedicated}")
    assert {service: target.name for (service, name), target in found.items() if name == "a"} == expected
    assert not [name for _, name in found if name != "a"]


# -- over real sockets

FILE = (
    """
[tenancy]
from = ["path", "claim"]
[tenants.acme]
dedicated = true
[tenants.bigco]
dedicated = ["second"]
[tenants.small]
[services.first]
url = "${ORIGIN}"
tenant_url = "http://{tenant}.localhost:${OWN}"
[services.second]
url = "${ORIGIN}"
tenant_url = "http://{service}-{tenant}.localhost:${OWN}/base"
[services.third]
url = "${ORIGIN}"
[defaults.routes]
requires_auth = false
[[routes]]
path = "/first/:tenant"
service = "first"
[[routes]]
path = "/second/:tenant"
service = "second"
[[routes]]
path = "/third/:tenant"
service = "third"
[[routes]]
path = "/maybe"
service = "second"
tenant = "optional"
[[routes]]
path = "/none"
service = "second"
tenant = "ignored"
"""
    + SESSION
)
SHARED = ""


@pytest.fixture
async def dedicated(level: object):
    """The service that has a target for each tenant: what it is asked says by which name."""
    service = Origin()
    await service.start()
    yield service
    await service.stop()
    assert service.faults == []


@pytest.mark.parametrize(
    ("raw", "host", "target"),
    [
        (get("/first/acme"), "acme.localhost", "/first/acme"),
        (get("/second/acme"), "second-acme.localhost", "/base/second/acme"),
        (get("/third/acme"), SHARED, "/third/acme"),
        (get("/first/bigco"), SHARED, "/first/bigco"),
        (get("/second/bigco"), "second-bigco.localhost", "/base/second/bigco"),
        (get("/first/small"), SHARED, "/first/small"),
        (get("/second/small"), SHARED, "/second/small"),
        (get("/maybe"), SHARED, "/maybe"),
        (get("/maybe", bearer(tenant="acme")), "second-acme.localhost", "/base/maybe"),
        # Where no tenant is looked for, everybody's target answers.
        (get("/none", bearer(tenant="acme")), SHARED, "/none"),
    ],
)
async def test_request_is_sent_to_the_targets_of_its_tenant_and_nowhere_else(
    gateway: Start, origin: Origin, dedicated: Origin, raw: bytes, host: str, target: str
):
    gw = await gateway(FILE, origin, own=dedicated.port)
    assert (await gw.ask(raw)).status == 200
    asked, other = (dedicated, origin) if host else (origin, dedicated)
    assert (asked.last.target.decode(), other.seen) == (target, [])
    assert asked.last.header("Host") == (f"{host}:{dedicated.port}" if host else origin.url.removeprefix("http://"))
    assert gw.records[0].target == asked.last.header("Host")


async def test_connections_to_one_tenants_target_serve_no_other(gateway: Start, origin: Origin, dedicated: Origin):
    gw = await gateway(FILE, origin, own=dedicated.port)
    caller = await gw.connect()
    for name in ("acme", "bigco", "acme", "bigco", "small", "acme"):
        assert (await caller.ask(get(f"/second/{name}"))).status == 200
    hosts = {sent.connection: sent.header("Host") for sent in dedicated.seen}
    assert sorted(hosts.values()) == [f"second-{name}.localhost:{dedicated.port}" for name in ("acme", "bigco")]
    assert [told(sent)[0] for sent in dedicated.seen] == ["acme", "bigco", "acme", "bigco", "acme"]
    assert [told(sent)[0] for sent in origin.seen] == ["small"]


async def test_a_member_of_another_tenant_reaches_no_target(gateway: Start, origin: Origin, dedicated: Origin):
    gw = await gateway(FILE, origin, own=dedicated.port)
    for claims in ({"tenant": "small"}, {"tenant": "bigco"}, {}):
        assert problem(await gw.ask(get("/second/acme", bearer(**claims)))) == MISMATCH
    assert (origin.seen, dedicated.seen) == ([], [])


async def test_reload_that_gives_a_tenant_a_target_moves_its_next_request(
    gateway: Start, origin: Origin, dedicated: Origin
):
    gw = await gateway(FILE, origin, own=dedicated.port)
    caller = await gw.connect()
    assert (await caller.ask(get("/first/small"))).status == 200
    more = gw.worker.loaded
    changed = FILE.replace("[tenants.small]", "[tenants.small]\ndedicated = true")
    listen = f'[gateway]\nlisten = ["{more.config.gateway.listen[0]}"]\n'
    await gw.worker.reload(loads(listen + changed, environ={"ORIGIN": origin.url, "OWN": str(dedicated.port)}))
    assert (await caller.ask(get("/first/small"))).status == 200
    assert (len(origin.seen), len(dedicated.seen)) == (1, 1)
    assert dedicated.last.header("Host") == f"small.localhost:{dedicated.port}"
