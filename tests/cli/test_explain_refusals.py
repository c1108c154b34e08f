"""`gwproxy explain` of what is refused: the same fields that a gateway sends, and the reason that its log has."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import Gateway
from tests.tenants.asking import SESSION, bearer, get

Start = Callable[..., Awaitable[Gateway]]
Explain = Callable[..., dict[str, Any]]

FILE = f"""
[auth]
default_tier = "basic"
{SESSION}
[auth.partners]
type = "api_key"
[[auth.partners.keys]]
hash = "sha256:cf0b0d08f66b0c3ab9674fbb441def0a1d466df189a052e42c5a8c21599fa5a3"
id = "partner-1"

[tiers.basic]
requests = 9
window = "1s"
access = ["public", "authenticated"]
[tiers.staff]
requests = 9
window = "1s"
access = ["public"]

[tenancy]
from = ["header:X-Tenant-Id", "path"]
[tenants.acme]
[tenants.small]
[tenants.gone]
active = false

[versioning]
from = ["path", "header:X-API-Version"]
enforce_sunset = true

[services.api]
url = "http://api"

[[routes]]
path = "/known"
service = "api"
requires_auth = true
[[routes]]
path = "/of/:tenant"
service = "api"
permissions = ["read"]
[[aggregations]]
path = "/both"
requires_auth = true
tenant = "ignored"
parts = [{{ as = "a", service = "api", path = "/a" }}]
[[routes]]
path = "/api/users"
service = "api"
requires_auth = false
tenant = "ignored"
[routes.versions.v1]
deprecated = 2024-01-01
sunset = 2024-06-01
[routes.versions.v2]
"""


@pytest.fixture
def explain(cli) -> Explain:
    Path("routes.toml").write_text(FILE, encoding="utf-8")

    def explained(url: str, *headers: str) -> dict[str, Any]:
        more = [word for header in headers for word in ("-H", header)]
        result = cli("explain", "routes.toml", "GET", url, *more, "--json")
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    return explained


BASIC, TENANT = bearer(tenant="acme"), "X-Tenant-Id: acme"


@pytest.mark.parametrize("headers", [(), ("Authorization: Bearer x",)])
async def test_every_field_of_a_name_is_told_as_the_gateway_sends_it(headers, explain, cli, gateway: Start):
    asked = (TENANT, *headers)
    answer = await (await gateway(FILE)).ask(get("/known", *asked))
    told = explain("/known", *asked)
    assert len(told["fields"]["WWW-Authenticate"]) == 2
    assert told["fields"] == {"WWW-Authenticate": answer.headers.named("WWW-Authenticate")}
    words = [word for header in asked for word in ("-H", header)]
    printed = [line.strip() for line in cli("explain", "routes.toml", "GET", "/known", *words).stdout.splitlines()]
    lines = [line for line in printed if line.startswith("WWW-Authenticate")]
    assert lines == [f"WWW-Authenticate {value}" for value in answer.headers.named("WWW-Authenticate")]


FROM = "(tenancy.from: header:X-Tenant-Id, path)"


@pytest.mark.parametrize(
    ("url", "headers", "code", "cause", "why"),
    [
        ("/of/nobody", (), "tenant_inactive", "unknown tenant", "unknown tenant"),
        ("/of/gone", (), "tenant_inactive", "inactive tenant gone", "inactive tenant gone"),
        (
            "/of/small", (BASIC,), "tenant_mismatch", "of acme, asks for small",
            "the caller is of acme, asks for small",
        ),
        ("/known", (bearer(),), "tenant_missing", "named nowhere", f"the tenant is named nowhere {FROM}"),
        (
            "/known", (BASIC,), "tenant_missing", "named by the credential alone: acme",
            f"the tenant is named by the credential alone: acme {FROM}",
        ),
        (
            "/of/acme", (BASIC,), "forbidden", "lacks read", "wants identity with read: the caller lacks read",
        ),
        (
            "/both", (BASIC,), "tier_forbidden", "tier basic",
            'wants a tier whose access has "aggregations": the caller has tier basic',
        ),
        (
            "/known", (bearer(tenant="acme", tier="staff"), TENANT), "tier_forbidden", "tier staff",
            'wants a tier whose access has "authenticated": the caller has tier staff',
        ),
    ],
)  # fmt: skip
async def test_refusal_of_a_caller_has_the_reason_that_the_log_has(
    url, headers, code, cause, why, explain, gateway: Start
):
    gw = await gateway(FILE)
    await gw.ask(get(url, *headers))
    assert (gw.records[0].code, gw.records[0].cause) == (code, cause)
    told = explain(url, *headers)
    assert (told["code"], told["why"]) == (code, why)


def test_caller_without_a_tier_is_told_as_such(explain):
    Path("routes.toml").write_text(FILE.replace('default_tier = "basic"', ""), encoding="utf-8")
    told = explain("/both", bearer())
    assert told["why"] == 'wants a tier whose access has "aggregations": the caller has no tier'


@pytest.mark.parametrize(
    ("url", "headers", "code", "why", "version"),
    [
        ("/api/v9/users", (), "unsupported_version", "v9, said by the path, is none of v1, v2", ""),
        (
            "/api/users", ("X-API-Version: new",), "unsupported_version",
            "new, said by the header X-API-Version, is none of v1, v2", "",
        ),
        (
            "/api/v1/users", (), "version_gone",
            "routes[2].versions.v1.sunset = 2024-06-01, and versioning.enforce_sunset = true",
            "v1 of v1, v2, said by the path",
        ),
    ],
)  # fmt: skip
def test_refusal_of_a_version_says_which_and_why(url, headers, code, why, version, explain):
    told = explain(url, *headers)
    assert (told["code"], told["why"], told["version"]) == (code, why, version)
