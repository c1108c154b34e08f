"""What a known caller may ask, over real sockets: tiers, permissions and roles, and what the refused are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]

CONFIG = f"""
[auth]
[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"

[roles]
auditor = []
clerk = ["orders:read"]

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/any"
service = "origin"
permissions = ["orders:read", "orders:audit"]
roles = ["auditor"]

[[routes]]
path = "/all"
service = "origin"
permissions_all = ["orders:read", "users:read"]
roles = ["auditor", "owner"]

[[routes]]
path = "/each"
service = "origin"
permissions = ["orders:read"]
permissions_all = ["users:read"]
roles = ["auditor"]
"""


def get(path: str, **claims: object) -> bytes:
    """As a caller whose token says this, or as nobody."""
    line = f"Authorization: Bearer {token(claims)}\r\n" if claims else ""
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{line}\r\n".encode()


def problem(answer: Answer) -> tuple[int, str, str]:
    told = answer.json()
    return answer.status, told["code"], told["detail"]


# -- permissions and roles


ORDERS, USERS = "orders:read", "users:read"


@pytest.mark.parametrize(
    ("path", "role", "permissions", "status"),
    [
        ("/any", "auditor", [ORDERS], 200), ("/any", ["auditor", "clerk"], [], 200), ("/any", "auditor", ["*"], 200),
        ("/any", "auditor", [USERS], 403), ("/any", "clerk", [], 403), ("/any", None, [ORDERS, "*"], 403),
        ("/all", "auditor", [ORDERS, USERS], 200), ("/all", ["clerk", "owner"], [USERS], 200),
        ("/all", "auditor", [ORDERS], 403), ("/all", None, [ORDERS, USERS], 403), ("/all", "clerk", ["*"], 403),
        ("/each", "auditor", [ORDERS, USERS], 200), ("/each", "auditor", [ORDERS], 403),
        ("/each", "auditor", [USERS], 403), ("/each", "owner", [ORDERS, USERS], 403),
    ],
)  # fmt: skip
async def test_each_of_what_a_route_wants_must_be_satisfied(
    path: str, role: object, permissions: list[str], status: int, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(CONFIG, origin)
    assert (await gw.ask(get(path, role=role, permissions=permissions))).status == status
    assert len(origin.seen) == (status == 200)


@pytest.mark.parametrize(
    ("path", "claims", "missing"),
    [
        ("/any", {"role": "auditor"}, "orders:audit or orders:read"),
        ("/any", {"role": "clerk"}, "role auditor"),
        ("/all", {"role": "owner", "permissions": ["users:read"]}, "orders:read"),
        ("/all", {"role": "owner"}, "orders:read and users:read"),
        ("/all", {"permissions": ["*"]}, "role auditor or owner"),
    ],
)
async def test_what_is_missing_is_told_where_the_file_says_so_and_always_logged(
    path: str, claims: dict[str, object], missing: str, gateway: Start, origin: Origin
) -> None:
    for text, detail in (
        (CONFIG, "Insufficient permissions"),
        (CONFIG.replace("[auth]", "[auth]\ntell_missing = false"), "Insufficient permissions"),
        (CONFIG.replace("[auth]", "[auth]\ntell_missing = true"), f"Insufficient permissions: {missing}"),
    ):
        gw = await gateway(text, origin)
        assert problem(await gw.ask(get(path, **claims))) == (403, "forbidden", detail)
        assert gw.records[0].cause == f"lacks {missing}"
        # Of who is not known it says nothing.
        assert (await gw.ask(get(path))).json()["detail"] == "Authentication required"
    assert origin.seen == []


# -- tiers

TIERS = f"""
[auth]
DEFAULT
[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"

[tiers.visitor]
requests = 1000
window = "1s"
access = ["public"]
[tiers.machine]
requests = 1000
window = "1s"
access = ["authenticated"]
[tiers.gatherer]
requests = 1000
window = "1s"
access = ["aggregations"]

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/public"
service = "origin"
requires_auth = false
[[routes]]
path = "/known"
service = "origin"
requires_auth = true
[[aggregations]]
path = "/public/both"
requires_auth = false
parts = [{{ as = "a", service = "origin", path = "/a" }}]
[[aggregations]]
path = "/both"
requires_auth = true
parts = [{{ as = "a", service = "origin", path = "/a" }}]
"""
NOT_YET = (501, "not_implemented", "Aggregations are not in force yet")


def lacks(kind: str) -> tuple[int, str, str]:
    return 403, "tier_forbidden", f"Not included in your tier: {kind}"


async def test_public_aggregation_is_public(gateway: Start, origin: Origin) -> None:
    gw = await gateway(TIERS.replace("DEFAULT", ""), origin)
    for claims in ({}, {"tier": "visitor"}, {"sub": "u"}):
        assert problem(await gw.ask(get("/public/both", **claims))) == NOT_YET, claims
    for tier in ("machine", "gatherer"):
        assert problem(await gw.ask(get("/public/both", tier=tier))) == lacks("public")
    assert problem(await gw.ask(get("/both", tier="gatherer"))) == NOT_YET
    assert problem(await gw.ask(get("/both", tier="visitor"))) == lacks("aggregations")


@pytest.mark.parametrize("default", ["", "machine"])
async def test_tier_without_public_is_refused_on_public_routes(
    default: str, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(TIERS.replace("DEFAULT", f'default_tier = "{default}"' if default else ""), origin)
    for tier in ("machine", "gatherer", *(("gold",) if default else ())):
        assert problem(await gw.ask(get("/public", tier=tier))) == lacks("public"), tier
        assert gw.records[-1].cause == f"tier {default if tier == 'gold' else tier}"
    assert origin.seen == []
    # Who is anonymous has no tier to be refused for, and so has who is known without one.
    for raw in (get("/public"), get("/public", tier="visitor"), *(() if default else (get("/public", sub="u"),))):
        assert (await gw.ask(raw)).status == 200
    assert problem(await gw.ask(get("/known", tier="visitor"))) == lacks("authenticated")
