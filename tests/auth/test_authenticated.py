"""Routes that want to know who is calling, over real sockets: who is let in, and what the service is told."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import pytest

from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]

KEY = "gwk_a_key_for_tests"
CONFIG = f"""
[auth]
default_tier = "basic"

[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"

[auth.partners]
type = "api_key"
[[auth.partners.keys]]
hash = "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"
id = "partner-1"
role = "partner"
tier = "pro"
tenant = "acme"

[roles]
partner = ["orders:*"]
admin = ["*"]
user = []

[tiers.basic]
requests = 1000
window = "60s"
[tiers.pro]
requests = 2000
window = "60s"

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/open"
service = "origin"
requires_auth = false

[[routes]]
path = "/known"
service = "origin"
requires_auth = true

[[routes]]
path = "/orders"
service = "origin"
permissions = ["orders:read", "orders:admin"]

[[routes]]
path = "/both"
service = "origin"
permissions_all = ["orders:read", "users:read"]

[[routes]]
path = "/admins"
service = "origin"
roles = ["admin"]

[[routes]]
path = "/partners"
service = "origin"
requires_auth = true
auth = ["partners"]

[[routes]]
path = "/forwarded"
service = "origin"
requires_auth = true
forward_credentials = true
"""


def get(path: str, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def bearer(text: str) -> str:
    return f"Authorization: Bearer {text}"


def problem(answer: Answer) -> tuple[int, str, str]:
    told = answer.json()
    return answer.status, told["code"], told["detail"]


UNKNOWN = (401, "unauthenticated", "Authentication required")
FORBIDDEN = (403, "forbidden", "Insufficient permissions")


@pytest.mark.asyncio
async def test_a_public_route_is_open_to_callers_without_credentials(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    assert (await gw.ask(get("/open"))).status == 200
    sent = origin.seen[0]
    assert sent.header("x-user-id") is None
    assert sent.header("x-user-tier") is None


@pytest.mark.asyncio
async def test_a_protected_route_refuses_callers_without_credentials(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    answer = await gw.ask(get("/known"))
    assert problem(answer) == UNKNOWN
    assert answer.headers.named("WWW-Authenticate") == ['Bearer realm="gwproxy"', 'ApiKey realm="gwproxy"']
    assert origin.seen == []
    assert gw.records[0].cause == "no credential"
    assert gw.records[0].principal is None


@pytest.mark.asyncio
async def test_a_token_lets_its_bearer_in_and_tells_the_service_who_that_is(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    said = {"sub": "u-7", "role": "user", "permissions": ["x"], "tier": "pro", "tenant": "acme"}
    assert (await gw.ask(get("/known", bearer(token(said)), "Accept: a/b"))).status == 200
    sent = origin.seen[0]
    told = {name: sent.header(name) for name in ("x-user-id", "x-user-role", "x-user-tier", "x-tenant-id", "accept")}
    assert told == {
        "x-user-id": "u-7", "x-user-role": "user", "x-user-tier": "pro", "x-tenant-id": "acme", "accept": "a/b",
    }  # fmt: skip
    assert sent.header("authorization") is None
    assert (gw.records[0].principal, gw.records[0].tenant) == ("u-7", "acme")


@pytest.mark.asyncio
async def test_a_refused_token_is_told_as_such_and_never_why(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    answer = await gw.ask(get("/known", bearer(token({"exp": 1}))))
    assert problem(answer) == UNKNOWN
    assert answer.headers.named("WWW-Authenticate")[0] == 'Bearer realm="gwproxy", error="invalid_token"'
    assert gw.records[0].cause == "session: expired"


@pytest.mark.asyncio
async def test_an_api_key_lets_its_holder_in(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    assert (await gw.ask(get("/orders", f"X-API-Key: {KEY}"))).status == 200
    sent = origin.seen[0]
    assert (sent.header("x-user-id"), sent.header("x-user-tier")) == ("partner-1", "pro")
    assert sent.header("x-api-key") is None
    assert problem(await gw.ask(get("/orders", f"X-API-Key: {KEY}x"))) == UNKNOWN


@pytest.mark.asyncio
async def test_one_connection_carries_one_caller_after_another(gateway: Start, origin: Origin) -> None:
    """What a connection's last caller has proved is nobody else's."""
    gw = await gateway(CONFIG, origin=origin)
    caller = await gw.connect()
    for fields, status, who in (
        ((bearer(token({"sub": "a"})),), 200, "a"),
        ((bearer(token({"sub": "a"})),), 200, "a"),
        ((bearer(token({"sub": "b"})),), 200, "b"),
        ((), 401, None),
        ((f"X-API-Key: {KEY}",), 200, "partner-1"),
        ((bearer("x.y.z"),), 401, None),
        ((bearer(token({"sub": "a"})),), 200, "a"),
    ):
        answer = await caller.ask(get("/known", *fields))
        assert answer.status == status
        if who is not None:
            assert origin.seen[-1].header("x-user-id") == who


@pytest.mark.asyncio
async def test_any_one_of_the_permissions_is_enough(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for permissions, status in (
        (["orders:read"], 200), (["orders:admin"], 200), (["orders:*"], 200), (["*"], 200), ("a orders:read", 200),
        (["orders:write"], 403), ([], 403), (None, 403), (["orders:rea"], 403), (["orders:reads"], 403), ("", 403),
    ):  # fmt: skip
        answer = await gw.ask(get("/orders", bearer(token({"permissions": permissions}))))
        assert answer.status == status, permissions
        if status == 403:
            assert problem(answer) == FORBIDDEN
    assert gw.records[-1].cause == "lacks orders:admin or orders:read"


@pytest.mark.asyncio
async def test_an_anonymous_request_for_permissions_is_401_and_not_403(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    assert problem(await gw.ask(get("/orders"))) == UNKNOWN


@pytest.mark.asyncio
async def test_all_of_the_permissions_are_needed_where_the_route_says_so(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for permissions, status in ((["orders:read", "users:read"], 200), (["orders:read"], 403), (["*"], 200)):
        assert (await gw.ask(get("/both", bearer(token({"permissions": permissions}))))).status == status
    assert [record.cause for record in gw.records if record.status == 403] == ["lacks users:read"]


@pytest.mark.asyncio
async def test_a_role_gives_its_permissions_and_can_be_wanted_by_itself(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for role, path, status in (
        ("admin", "/orders", 200), ("partner", "/orders", 200), ("user", "/orders", 403), ("none", "/orders", 403),
        ("admin", "/admins", 200), ("partner", "/admins", 403), (["user", "admin"], "/admins", 200),
    ):  # fmt: skip
        assert (await gw.ask(get(path, bearer(token({"role": role}))))).status == status, (role, path)


@pytest.mark.asyncio
async def test_a_route_takes_only_the_credentials_that_it_names(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    answer = await gw.ask(get("/partners", bearer(token())))
    assert answer.status == 401
    assert answer.headers.named("WWW-Authenticate") == ['ApiKey realm="gwproxy"']
    assert (await gw.ask(get("/partners", f"X-API-Key: {KEY}"))).status == 200


@pytest.mark.asyncio
async def test_credentials_that_a_route_does_not_take_reach_no_service_either(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    await gw.ask(get("/partners", f"X-API-Key: {KEY}", bearer(token())))
    await gw.ask(get("/open", bearer("rubbish"), "X-API-Key: rubbish", "X-Other: 1"))
    assert len(origin.seen) == 2
    for sent in origin.seen:
        assert sent.header("authorization") is None
        assert sent.header("x-api-key") is None
    assert origin.seen[1].header("x-other") == "1"


@pytest.mark.asyncio
async def test_a_credential_is_passed_on_where_the_route_says_so(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    sent = token({"sub": "u"})
    await gw.ask(get("/forwarded", bearer(sent)))
    assert origin.seen[0].header("authorization") == f"Bearer {sent}"
    assert origin.seen[0].header("x-user-id") == "u"


@pytest.mark.asyncio
async def test_who_proves_itself_on_a_public_route_is_known_there(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    await gw.ask(get("/open", bearer(token({"sub": "u"}))))
    await gw.ask(get("/open", bearer(token({"sub": "u", "exp": 1}))))
    assert [sent.header("x-user-id") for sent in origin.seen] == ["u", None]


@pytest.mark.asyncio
async def test_two_credentials_in_one_request_prove_nothing(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    good = token()
    for fields in (
        (bearer(good), bearer(good)), (bearer(good), f"X-API-Key: {KEY}"), (f"X-API-Key: {KEY}", f"X-API-Key: {KEY}"),
    ):  # fmt: skip
        assert problem(await gw.ask(get("/known", *fields))) == UNKNOWN
    assert {record.cause for record in gw.records} == {"two credentials in one request"}
    assert origin.seen == []


@pytest.mark.asyncio
async def test_an_unknown_tier_is_the_default_one(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for tier in ("gold", None, "basic"):
        await gw.ask(get("/known", bearer(token({"tier": tier}))))
    assert [sent.header("x-user-tier") for sent in origin.seen] == ["basic"] * 3


@pytest.mark.asyncio
async def test_a_reload_takes_a_key_away_from_who_is_connected(gateway: Start, origin: Origin) -> None:
    from gwproxy.config.load import loads
    from tests.support.running import with_listener

    gw = await gateway(CONFIG, origin=origin)
    caller = await gw.connect()
    request = get("/known", bearer(token()))
    assert (await caller.ask(request)).status == 200
    other = CONFIG.replace(SECRET, "another secret of thirty-two bytes or more")
    await gw.worker.reload(loads(with_listener(other), environ={"ORIGIN": origin.url}))
    assert (await caller.ask(request)).status == 401


@pytest.mark.asyncio
async def test_authenticators_that_share_a_header_are_tried_in_turn(gateway: Start, origin: Origin) -> None:
    shared = CONFIG.replace('type = "api_key"', 'type = "api_key"\nfrom = "header:Authorization"')
    gw = await gateway(shared, origin=origin)
    for credential, who in ((token({"sub": "u"}), "u"), (KEY, "partner-1")):
        assert (await gw.ask(get("/known", bearer(credential)))).status == 200
        assert origin.seen[-1].header("x-user-id") == who
        assert origin.seen[-1].header("authorization") is None
    assert (await gw.ask(get("/known", f"Authorization: ApiKey {KEY}"))).status == 200
    assert (await gw.ask(get("/known", "Authorization: Basic dTpw"))).status == 401
    assert (await gw.ask(get("/open", "Authorization: Basic dTpw"))).status == 200
    assert origin.seen[-1].header("authorization") == "Basic dTpw"
