"""Problems name the cure, and what is sensible is no problem."""

from __future__ import annotations

import pytest

from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError

KEY = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
AUTH = f'[auth.k]\ntype = "api_key"\nkeys = [{{ id = "p", hash = "{KEY}", KEY }}]\n'
WITHOUT = AUTH.replace(", KEY", "")
ROUTE = '[[routes]]\npath = "/a"\nrespond = {}\n'
CLOSED = ROUTE + "requires_auth = true\n"
TENANCY = '[tenancy]\nfrom = ["header:X-Tenant-Id"]\n'
ACME = TENANCY + "[tenants.acme]\n"
LONG = "a" * 60


def told(text: str) -> list[str]:
    """What is said of a file, behind the places."""
    try:
        problems = tuple(check(loads(text)))
    except ConfigError as error:
        problems = error.problems
    return [str(problem).partition(": ")[2] for problem in problems]


@pytest.mark.parametrize("origin", ["https://a.*.com", "https://a*.example.com", "https://*", "https://*.*.a", "*.a"])
def test_an_origin_with_a_star_elsewhere_is_told_where_it_may_stand(origin: str) -> None:
    (said,) = told(f'[cors]\nallow_origins = ["{origin}"]\n')
    assert said.endswith('whole labels before a domain, as in "https://*.example.com"; alone it is any origin')


def test_a_star_in_another_host_is_told_to_stand_for_nothing() -> None:
    (said,) = told('[services.a]\nurl = "http://*.example.com"\n')
    assert said.endswith("a * stands for nothing here: write the host out")


def test_a_tenant_whose_target_would_be_too_long_is_told_what_to_do() -> None:
    service = '[services.users]\nurl = "http://a"\ntenant_url = "https://{service}-{tenant}.internal"\n'
    (said,) = told(f"{TENANCY}[tenants.{LONG}]\ndedicated = true\n{service}")
    assert "its host is too long: a label may have 63 characters, and all together 253" in said
    assert said.endswith("; give the tenant a targets.users of its own")


def test_what_only_routes_have_is_told_as_that_in_an_aggregation() -> None:
    text = '[services.a]\nurl = "http://a"\n[[aggregations]]\npath = "/a"\n'
    text += 'parts = [{ as = "a", service = "a", path = "/" }]\n'
    assert told(text + "versions = { v1 = {} }\n") == [
        "aggregations[0].versions: unknown key; [[routes]] have it, aggregations do not"
    ]
    assert told(text + 'methods = ["GET"]\n') == ['aggregations[0].methods: unknown key; did you mean "method"?']


def test_a_misspelt_setting_of_auth_is_told_by_name_and_nothing_else_is() -> None:
    assert told(f'[auth]\ntell_missin = true\ndefault_teir = "basic"\n{ROUTE}') == [
        'auth.tell_missin: unknown key; did you mean "tell_missing"?',
        'auth.default_teir: unknown key; did you mean "default_tier"?',
    ]
    # Where there is a way to prove who is calling, routes must say whether they want one.
    keys = [said.partition(":")[0] for said in told(f"[auth]\ntell_missin = true\n{WITHOUT}{ROUTE}")]
    assert keys == ["auth.tell_missin", "routes[0].requires_auth"]


def test_a_setting_that_resembles_none_is_told_what_may_stand_there() -> None:
    assert told(f'[auth]\ntype = "jwt"\n{CLOSED}') == [
        "auth.type: unknown key; known: default_tier, realm, tell_missing, or a table [auth.NAME]"
    ]


@pytest.mark.parametrize(
    ("tenant", "cure"),
    [
        ("acmee", 'warning: auth.k.keys[0].tenant: unknown tenant: found "acmee"; did you mean "acme"?'),
        ("Acme", 'found "Acme"; did you mean "acme"?'),
        ("www", 'a reserved name: found "www"; [tenancy] reserved has it'),
    ],
)  # fmt: skip
def test_a_keys_tenant_that_is_none_is_told_with_the_nearest(tenant: str, cure: str) -> None:
    (said,) = told(ACME + AUTH.replace("KEY", f'tenant = "{tenant}"') + CLOSED)
    assert said.endswith(cure)


def test_a_tenant_from_the_environment_is_not_shown() -> None:
    text = ACME + AUTH.replace("KEY", 'tenant = "${T}"') + CLOSED
    (problem,) = check(loads(text, environ={"T": "s3cret"}))
    assert (problem.kind, problem.found) == ("unknown_tenant", '"${T}"')


@pytest.mark.parametrize(
    "text",
    [
        # A tenant of the store is nobody's to know here.
        '[state]\nurl = "redis://a"\n' + TENANCY + "store = true\n" + AUTH.replace("KEY", 'tenant = "acme"') + CLOSED,
        # Without [tenancy] it is told to services, and that is all.
        AUTH.replace("KEY", 'tenant = "Org_7"') + CLOSED,
        ACME + AUTH.replace("KEY", 'tenant = "acme"') + CLOSED,
        # No tenant is required anywhere.
        TENANCY + 'need = "optional"\n' + ROUTE,
        TENANCY + ROUTE + 'tenant = "ignored"\n',
        # Another place than the path may say it.
        ACME.replace('"]', '", "path"]') + ROUTE + ROUTE.replace("/a", "/:tenant"),
        # Each table leaves somebody, and so do both.
        '[addresses]\nallow = ["10.0.0.0/8"]\n' + ROUTE + 'addresses = { allow = ["0.0.0.0/0"], deny = ["10.1.0.1"] }',
        '[addresses]\ndeny = ["10.0.0.0/8"]\n' + ROUTE + 'addresses = { deny = ["11.0.0.0/8"] }\n',
        '[addresses]\ndeny = ["0.0.0.0/0"]\n' + ROUTE,
        # Who comes over a socket of its own is in no network.
        '[gateway]\nlisten = ["unix:/run/a.sock"]\n[addresses]\ndeny = ["0.0.0.0/0", "::/0"]\n' + ROUTE,
        '[gateway]\nlisten = ["127.0.0.1:80", "unix:/run/a.sock"]\n[addresses]\nallow = ["127.0.0.1"]\n' + ROUTE,
        '[gateway]\nlisten = ["fd:web"]\n[addresses]\nallow = ["127.0.0.1"]\n' + ROUTE,
        '[gateway]\nlisten = ["127.0.0.1:80", "unix:/run/a.sock"]\n[addresses]\ndeny = ["0.0.0.0/0", "::/0"]\n' + ROUTE,
        '[gateway]\nlisten = ["fd:web"]\n[addresses]\ndeny = ["0.0.0.0/0", "::/0"]\n' + ROUTE,
        # What is shared is for others too.
        '[defaults.routes]\ncors = { allow_origins = ["https://a"] }\n' + ROUTE + 'method = "PUT"\n',
        '[cors]\nallow_origins = ["https://a"]\n' + ROUTE + 'method = "PUT"\n',
        # Whoever is known may be in it.
        '[auth]\ndefault_tier = "anonymous"\n'
        '[tiers.anonymous]\nrequests = 1\nwindow = "1s"\naccess = ["authenticated"]\n' + WITHOUT + CLOSED,
        '[auth]\ndefault_tier = "basic"\n[tiers.basic]\nrequests = 1\nwindow = "1s"\n'
        '[tiers.anonymous]\nrequests = 1\nwindow = "1s"\naccess = ["authenticated"]\n'
        + AUTH.replace("KEY", 'tier = "anonymous"') + CLOSED,
        '[tiers.anonymous]\nrequests = 1\nwindow = "1s"\naccess = ["public"]\n' + ROUTE,
        # A service that is told of permissions may read them in its own way.
        '[roles]\nr = ["orders:*:read"]\n[services.a]\nurl = "http://a"\nidentity = "jwt"\n'
        '[identity]\nalgorithm = "HS256"\nkey = "a secret of thirty-two bytes or more"\n' + WITHOUT + CLOSED,
        '[roles]\nr = ["orders:*:read", "*", "orders:*"]\n' + WITHOUT + ROUTE
        + 'permissions = ["orders:*:read"]\n',
        # So much for each user of a tenant.
        ACME + 'plan = "a"\n[plans.a]\nrequests = 1\nwindow = "1s"\nby = "principal"\n' + ROUTE,
    ],
)  # fmt: skip
def test_what_is_sensible_is_not_told(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        # The tier that would do is the one that cannot be read.
        (
            '[auth]\ndefault_tier = "a"\n[tiers.a]\nrequests = 1\nwindow = "1s"\naccess = ["public"]\n'
            '[tiers.b]\nrequests = 1\nwindow = "1s"\naccess = "authenticated"\n' + WITHOUT + CLOSED, "tiers.b.access",
        ),
        (
            '[auth]\ndefault_teir = "anonymous"\n[tiers.anonymous]\nrequests = 1\nwindow = "1s"\naccess = []\n'
            + WITHOUT + ROUTE + "requires_auth = false\n", "auth.default_teir",
        ),
        (TENANCY + "stor = true\n[tenants.acme]\n" + AUTH.replace("KEY", 'tenant = "b"') + CLOSED, "tenancy.stor"),
        (TENANCY + "stor = true\n" + ROUTE, "tenancy.stor"),
        (ACME.replace("header:X-Tenant-Id", "path") + ROUTE, "tenancy.from[0]"),
        ('[addresses]\nalow = ["10.0.0.0/8"]\n' + ROUTE + 'addresses = { allow = ["11.0.0.0/8"] }\n', "addresses.alow"),
    ],
)  # fmt: skip
def test_what_follows_from_a_mistake_is_not_told_beside_it(text: str, key: str) -> None:
    assert [said.removeprefix("warning: ").partition(":")[0] for said in told(text)] == [key]
