"""What a file says of its callers: which claims of a token name them, and what an entry of its own grants."""

from __future__ import annotations

import base64

import pytest

from gwproxy.auth.passwords import hashed
from tests.auth.attacking import KEY, Start, api_keys, bearer, get, jwt
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import token

TIERS = '[tiers.pro]\nrequests = 1000\nwindow = "60s"\n[tiers.basic]\nrequests = 1000\nwindow = "60s"\n'
DEFAULT = '[auth]\ndefault_tier = "basic"\n'
ROUTES = """
[roles]
clerk = []
[services.origin]
url = "${ORIGIN}"
[[routes]]
path = "/orders"
service = "origin"
permissions = ["orders:read"]
[[routes]]
path = "/bills"
service = "origin"
permissions = ["bills:read"]
"""
ENTRY = 'role = "clerk"\npermissions = ["orders:read"]\ntier = "pro"\ntenant = "acme"\n'
PASSWORD = hashed("geheim", p=1).written()
USER = f'[[auth.staff.users]]\nname = "g"\npassword = "{PASSWORD}"\nid = "partner"\n{ENTRY}'
BASIC = f'[auth.staff]\ntype = "basic"\n{USER}'
GRETA = "Authorization: Basic " + base64.b64encode(b"g:geheim").decode()


async def who(gw: Gateway, origin: Origin, credential: str) -> list[str | None]:
    """What the service is told of who may see orders, and no bills."""
    assert (await gw.ask(get("/bills", credential))).status == 403
    assert (await gw.ask(get("/orders", credential))).status == 200
    return [origin.last.header(name) for name in ("x-user-id", "x-user-role", "x-user-tier", "x-tenant-id")]


NAMED = {"id": "azp", "role": "realm.roles", "permissions": "scope", "tier": "plan.name", "tenant": "org"}
SAID = {"azp": "u-7", "realm": {"roles": ["clerk"]}, "scope": "orders:read x", "plan": {"name": "pro"}, "org": "acme"}
USUAL = {"sub": "u-7", "role": "clerk", "permissions": ["orders:read"], "tier": "pro", "tenant": "acme"}
OTHERS = {"sub": "other", "role": "other", "permissions": ["bills:read"], "tier": "basic", "tenant": "other"}


@pytest.mark.parametrize(("names", "claims"), [(NAMED, {**OTHERS, **SAID}), ({}, USUAL)], ids=["named", "usual"])
async def test_claims_are_those_that_the_file_names(
    names: dict[str, str], claims: dict[str, object], gateway: Start, origin: Origin
) -> None:
    written = ", ".join(f'{name} = "{claim}"' for name, claim in names.items())
    gw = await gateway(DEFAULT + jwt(f"claims = {{ {written} }}") + TIERS + ROUTES, origin=origin)
    assert await who(gw, origin, bearer(token(claims))) == ["u-7", "clerk", "pro", "acme"]


@pytest.mark.parametrize(
    ("method", "credential"),
    [(api_keys(entry=ENTRY), f"X-API-Key: {KEY}"), (BASIC, GRETA)],
    ids=["api key", "password"],
)
async def test_an_entry_of_the_file_grants_what_it_says(
    method: str, credential: str, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(DEFAULT + method + TIERS + ROUTES, origin=origin)
    assert await who(gw, origin, credential) == ["partner", "clerk", "pro", "acme"]
