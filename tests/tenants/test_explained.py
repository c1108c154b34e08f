"""`gwproxy explain` tells whose tenant a request is, its plan, and which target it has; `check` what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gwproxy.cli import main
from tests.tenants.asking import SESSION, bearer

TEXT = (
    """
[tenancy]
from = ["subdomain", "header:X-Tenant-Id", "path", "claim"]
base_domains = ["example.com"]
[plans.business]
requests = 1000
window = "60s"
[tenants.acme]
plan = "business"
dedicated = true
[tenants.small]
[tenants.gone]
active = false
[services.users]
url = "http://users:81"
tenant_url = "https://{service}-{tenant}.internal.example.com"
[defaults.routes]
requires_auth = false
[[routes]]
path = "/a"
service = "users"
[[routes]]
path = "/tenants/:tenant/a"
service = "users"
service_path = "/of/:tenant"
[[routes]]
path = "/maybe"
service = "users"
tenant = "optional"
limit = { requests = 5, window = "1s", by = "tenant" }
[[aggregations]]
path = "/both"
requires_auth = false
parts = [{ as = "a", service = "users", path = "/a" }]
"""
    + SESSION
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "gateway.toml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def explained(file: str, url: str, *headers: str) -> list[str]:
    argv = ["explain", file, "GET", url]
    for header in headers:
        argv += ["-H", header]
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 0, result.output
    return [line.strip() for line in result.output.splitlines()]


def of(lines: list[str], word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in lines if line.startswith(f"{word} ")]


PLAN = "business: 1000 in 1m, exact; each tenant; key plan:business"
OWN = "GET https://users-acme.internal.example.com"
SHARED = "GET http://users:81"


@pytest.mark.parametrize(
    ("url", "headers", "tenant", "asks"),
    [
        ("http://acme.example.com/a", (), "acme (plan business)", f"{OWN}/a"),
        ("/a", ("X-Tenant-Id: acme",), "acme (plan business)", f"{OWN}/a"),
        ("/tenants/acme/a", (), "acme (plan business)", f"{OWN}/of/acme"),
        ("/a", (bearer(tenant="acme"),), "acme (plan business)", f"{OWN}/a"),
        ("/tenants/small/a", (), "small", f"{SHARED}/of/small"),
        ("/maybe", (), "", f"{SHARED}/maybe"),
    ],
)
def test_tenant_its_plan_and_its_target_are_told(
    file: str, url: str, headers: tuple[str, ...], tenant: str, asks: str
):
    lines = explained(file, url, *headers)
    assert lines[0] == "forwarded to the service users"
    assert of(lines, "tenant") == ([tenant] if tenant else [])
    assert of(lines, "asks") == [asks]
    limits = [limit for limit in of(lines, "limit") if "plan:" in limit]
    assert limits == ([PLAN] if "plan" in tenant else [])


@pytest.mark.parametrize(
    ("url", "headers", "verdict"),
    [
        ("http://gone.example.com/a", (), "403 tenant_inactive: Invalid or inactive tenant"),
        ("/tenants/nobody/a", (), "403 tenant_inactive: Invalid or inactive tenant"),
        ("/a", (), "400 tenant_missing: Tenant not specified"),
        ("http://www.example.com/a", (), "400 tenant_missing: Tenant not specified"),
        ("/tenants/acme/a", (bearer(tenant="small"),), "403 tenant_mismatch: Not a member of this tenant"),
        ("/tenants/acme/a", (bearer(),), "403 tenant_mismatch: Not a member of this tenant"),
        ("http://gone.example.com/both", (), "403 tenant_inactive: Invalid or inactive tenant"),
        ("/both", (), "400 tenant_missing: Tenant not specified"),
        ("/both", ("X-Tenant-Id: small",), "501 not_implemented: Aggregations are not in force yet"),
    ],
)
def test_refusals_are_told_and_no_tenant_with_them(file: str, url: str, headers: tuple[str, ...], verdict: str):
    lines = explained(file, url, *headers)
    assert lines[0] == verdict
    assert of(lines, "tenant") == (["small"] if verdict.startswith("501") else [])


def test_limit_by_tenant_is_told_as_such(file: str):
    limits = of(explained(file, "/maybe", "X-Tenant-Id: acme"), "limit")
    assert "route: 5 in 1s, exact; each tenant; key route:* /maybe" in limits
    assert PLAN in limits
