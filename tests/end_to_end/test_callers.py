"""The reference configuration as its callers meet it: who is let in, who is refused and by what, and in which order."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gwproxy.demo.callers import PARTNER_KEY
from tests.support.client import Answer, Client
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import token

Start = Callable[..., Awaitable[Gateway]]

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "routes.toml").read_text(encoding="utf-8").replace("127.0.0.1:8080", "127.0.0.1:0")
SECRET = "demo-secret-demo-secret-demo-secret"
SERVICES = ("user", "order", "search", "analytics")


def bearer(id_: str = "7", secret: str = SECRET, **said: Any) -> str:
    claims = {"iss": "https://id.example.com", "aud": "api", "sub": id_, "iat": int(time.time()), **said}
    return f"Authorization: Bearer {token(claims, secret=secret)}"


USER = bearer(role="user")
READER = bearer("8", permissions=["users:read"])
ADMIN = bearer("5", role="admin", tier="enterprise")
PRO = bearer("3", role="user", tier="pro")
PARTNER = f"X-API-Key: {PARTNER_KEY}"


@pytest_asyncio.fixture
async def caller(gateway: Start, origin: Origin) -> Client:
    """Connected to a gateway that serves routes.toml, all of whose services are the one origin."""
    gw = await gateway(REFERENCE, **{f"{name}_service_url": origin.url for name in SERVICES})
    return await gw.connect()


def request(line: str, *fields: str) -> bytes:
    body = "Content-Length: 2\r\n\r\n{}" if line.startswith("POST") else "\r\n"
    return f"{line} HTTP/1.1\r\nHost: a\r\n{''.join(f'{field}{chr(13)}{chr(10)}' for field in fields)}{body}".encode()


def told(answer: Answer) -> tuple[int, str]:
    """A refusal: its status and its word. Of an answer of the service, the service."""
    own = answer.header("content-type") == "application/problem+json"
    return answer.status, answer.json()["code"] if own else str(answer.header("x-service"))


LET_IN = [
    ("GET /api/users", READER, "users", "/users"),
    ("GET /api/users/7", USER, "users", "/users/7"),
    ("POST /api/users", ADMIN, "users", "/users"),
    ("GET /api/users/search?q=a", READER, "users", "/users/search?q=a"),
    ("GET /api/orders", PARTNER, "orders", "/orders"),
    ("GET /api/orders/1001", USER, "orders", "/orders/1001"),
    ("POST /api/orders", PARTNER, "orders", "/orders"),
    ("GET /api/search?q=a", "", "search", "/search?q=a"),
    ("GET /api/search", USER, "search", "/search"),
    ("PUT /api/analytics/a/b", ADMIN, "analytics", "/analytics/a/b"),
]


@pytest.mark.parametrize(("line", "who", "service", "target"), LET_IN)
async def test_who_may_reaches_the_service(line, who, service, target, caller: Client, origin: Origin):
    assert told(await caller.ask(request(line, *filter(None, [who])))) == (200, service)
    [sent] = origin.seen
    assert (sent.method.decode(), sent.target.decode()) == (line.partition(" ")[0], target)
    assert (sent.header("authorization"), sent.header("x-api-key")) == (None, None)


async def test_service_is_told_who_asks(caller: Client, origin: Origin):
    for who, path in ((USER, "users"), (PARTNER, "orders"), (ADMIN, "users"), (None, "search")):
        await caller.ask(request(f"GET /api/{path}", *filter(None, [who, "X-User-Id: 1", "x_user_role: admin"])))
    names = ("x-user-id", "x-user-role", "x-user-tier")
    assert [tuple(sent.header(name) for name in names) for sent in origin.seen] == [
        ("7", "user", "basic"), ("partner-1", "partner", "pro"), ("5", "admin", "enterprise"), (None, None, None),
    ]  # fmt: skip
    assert all(sent.header("x_user_role") is None for sent in origin.seen)


PROTECTED = [line for line, _, service, _ in LET_IN if service != "search"]
PROTECTED += ["GET /api/dashboard", "POST /api/checkout/summary"]


@pytest.mark.parametrize("line", PROTECTED)
async def test_nobody_unknown_passes_a_protected_route(line: str, caller: Client, origin: Origin):
    expired, foreign = bearer(exp=int(time.time()) - 60), bearer(secret="x" * 32)
    for fields in ((), (expired,), (foreign,), ("X-API-Key: gwk_demo_partner_2",), (USER, PARTNER), ("X-User-Id: 7",)):
        answer = await caller.ask(request(line, *fields))
        assert told(answer) == (401, "unauthenticated"), fields
        assert len(answer.headers.named("WWW-Authenticate")) == 2
        assert answer.header("access-control-allow-origin") == "*"
    assert origin.seen == []


@pytest.mark.parametrize(
    ("line", "who"),
    [
        ("POST /api/users", USER), ("POST /api/users", READER), ("POST /api/users", PARTNER),
        ("GET /api/orders", READER), ("POST /api/orders", READER), ("GET /api/analytics/x", PARTNER),
        ("GET /api/users", bearer("9")),
    ],
)  # fmt: skip
async def test_who_is_known_and_lacks_the_permission_is_forbidden(line, who, caller: Client, origin: Origin):
    answer = await caller.ask(request(line, who))
    assert (told(answer), answer.json()["detail"]) == ((403, "forbidden"), "Insufficient permissions")
    assert answer.header("www-authenticate") is None
    assert origin.seen == []


async def test_aggregations_are_for_the_tiers_that_have_them(caller: Client, origin: Origin):
    """What is not in force is told only to whom it would be given."""
    for line in ("GET /api/dashboard", "POST /api/checkout/summary"):
        for who, status, code in (
            (USER, 403, "tier_forbidden"), (bearer("9", tier="gold"), 403, "tier_forbidden"),
            (PRO, 501, "not_implemented"), (PARTNER, 501, "not_implemented"), (ADMIN, 501, "not_implemented"),
        ):  # fmt: skip
            assert told(await caller.ask(request(line, who))) == (status, code)
    assert origin.seen == []


async def test_limit_is_each_callers_own_wherever_it_comes_from(caller: Client, origin: Origin):
    order = "POST /api/orders"
    for at in range(10):
        answer = await caller.ask(request(order, USER, f"X-Forwarded-For: 192.0.2.{at}"))
        assert (answer.status, answer.header("x-ratelimit-remaining")) == (200, str(9 - at))
    answer = await caller.ask(request(order, USER, "X-Forwarded-For: 192.0.2.99"))
    assert (told(answer), answer.json()["limit"]) == ((429, "rate_limited"), "create")
    assert int(answer.header("retry-after") or 0) > 0
    assert answer.header("access-control-allow-origin") == "*"
    # Another token of the same caller is the same caller; another caller at the same address is not.
    assert told(await caller.ask(request(order, bearer(role="user", jti="2"))))[0] == 429
    assert told(await caller.ask(request(order, PRO, "X-Forwarded-For: 192.0.2.99")))[0] == 200
    assert told(await caller.ask(request("GET /api/orders", USER)))[0] == 200
    assert len(origin.seen) == 12


async def test_anonymous_callers_are_counted_by_address(caller: Client, origin: Origin):
    search, here, there = "GET /api/search", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
    answers = [await caller.ask(request(search, here)) for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].json()["limit"] == "anonymous-burst"
    assert (await caller.ask(request(search, there))).status == 200
    assert (await caller.ask(request(search, here, USER))).status == 200


# -- the order

EVERYTHING = f"""
[gateway]
trusted_proxies = ["127.0.0.0/8"]
[auth]
default_tier = "basic"
[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"
[tiers.basic]
requests = 1000
window = "1s"
access = ["public"]
[tiers.pro]
requests = 1000
window = "1s"
[tenancy]
from = ["header:X-Tenant-Id", "claim"]
[tenants.acme]
[tenants.small]
[tenants.gone]
active = false
[cors]
allow_origins = ["*"]
[versioning]
from = ["header:X-API-Version"]
enforce_sunset = true
[limits]
auth_failures = {{ requests = 1000, window = "60s" }}
[services.origin]
url = "${{ORIGIN}}"
[[routes]]
path = "/x"
method = "GET"
service = "origin"
addresses = {{ deny = ["192.0.2.0/24"] }}
MAINTENANCE
permissions = ["a"]
limit = {{ requests = 1, window = "600s" }}
[routes.versions.v1]
sunset = 2024-01-01
[routes.versions.v2]
"""
DENIED, ALLOWED = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 198.51.100.1"
PREFLIGHT = ("Origin: https://a.example", "Access-Control-Request-Method: GET")
OLD, NEW, GONE, ACME = "X-API-Version: v1", "X-API-Version: v9", "X-Tenant-Id: gone", "X-Tenant-Id: acme"


async def test_a_request_is_refused_by_the_first_that_has_something_against_it(gateway: Start, origin: Origin):
    closed = await gateway(EVERYTHING.replace("MAINTENANCE", "maintenance = true"), origin)
    open_ = await gateway(EVERYTHING.replace("MAINTENANCE", ""), origin)
    acme, pro = {"tenant": "acme"}, {"tenant": "acme", "tier": "pro"}
    may = {**pro, "permissions": ["a"]}
    ladder = [
        (closed, "GET /y?a=%zz%00", (DENIED,), 404, "not_found"),
        (closed, "GET /x", (DENIED,), 403, "address_denied"),
        (closed, "OPTIONS /x", (DENIED, *PREFLIGHT), 403, "address_denied"),
        (closed, "OPTIONS /x", (ALLOWED, *PREFLIGHT), 204, "None"),
        (closed, "GET /x", (DENIED, NEW), 403, "address_denied"),
        (closed, "GET /x", (ALLOWED, NEW), 400, "unsupported_version"),
        (closed, "GET /x", (ALLOWED, OLD), 410, "version_gone"),
        (closed, "GET /x", (ALLOWED, GONE), 503, "maintenance"),
        (open_, "GET /x", (ALLOWED, GONE), 403, "tenant_inactive"),
        (open_, "GET /x", (ALLOWED, ACME), 401, "unauthenticated"),
        (open_, "GET /x", (ALLOWED,), 401, "unauthenticated"),
        (open_, "GET /x", (ALLOWED, bearer()), 400, "tenant_missing"),
        (open_, "GET /x", (ALLOWED, ACME, bearer(tenant="small")), 403, "tenant_mismatch"),
        # Whatever its tier and its permissions.
        (open_, "GET /x", (ALLOWED, ACME, bearer(tenant="small", tier="pro")), 403, "tenant_mismatch"),
        (open_, "GET /x", (ALLOWED, ACME, bearer(**{**may, "tenant": "small"})), 403, "tenant_mismatch"),
        (open_, "GET /x", (ALLOWED, ACME, bearer(**acme)), 403, "tier_forbidden"),
        (open_, "GET /x", (ALLOWED, bearer(**pro)), 403, "forbidden"),
        # None of those has used up the one permit.
        (open_, "GET /x", (ALLOWED, bearer(**may)), 200, "origin"),
        (open_, "GET /x", (ALLOWED, bearer(**may)), 429, "rate_limited"),
        # And who is refused before does not learn that there is none left.
        (open_, "GET /x", (ALLOWED, bearer(**pro)), 403, "forbidden"),
        (open_, "GET /x", (ALLOWED,), 401, "unauthenticated"),
    ]
    for gw, line, fields, status, code in ladder:
        assert told(await gw.ask(request(line, *fields))) == (status, code), (line, fields)
    assert len(origin.seen) == 1
