"""Claims that are not what they should be: what cannot be judged is not believed, and nothing is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.claims import ClaimNames as Names
from gwproxy.auth.claims import Expected, holds_until, proof_of
from gwproxy.auth.principal import Identities, Unproved
from tests.auth.attacking import ROUTES, Now, Start, api_keys, bearer, get, jwt, refused, status
from tests.support.origin import Origin
from tests.support.tokens import NOW, signed, token

NO_TIMES = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e16", "9" * 400, '"4000000000"', '""', "true", "[]", "{}",
    "[4000000000]", '"2096-10-02"', "99999999999999999999",
]  # fmt: skip


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NO_TIMES, ids=lambda value: value[:20])
async def test_what_is_no_time_proves_nothing(claim: str, value: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    exp = "" if claim == "exp" else '"exp":4000000000,'
    await refused(gw, signed('{"alg":"HS256"}', f'{{"sub":"a",{exp}"{claim}":{value}}}'))
    assert origin.seen == []


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
async def test_times_in_fractions_and_small_ones_are_times(claim: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    for value, expected in ((0, 401), (-1, 401), (1.5, 401), (-1e14, 401), (4e9 + 0.5, 200), (1e15, 200)):
        if claim != "exp":
            expected = 401 if value > 1e9 else 200
        assert await status(gw, bearer(token({claim: value}))) == expected, value


async def test_clocks_may_differ_by_the_leeway_and_no_more(gateway: Start, origin: Origin) -> None:
    """Each on a connection of its own: what was remembered must not answer for the clock."""
    gw = await gateway(jwt('leeway = "30s"') + ROUTES, origin=origin)
    clock = Now(gw, NOW)
    edges = [
        ({"exp": NOW}, -1.0, 200), ({"exp": NOW}, 29.99, 200), ({"exp": NOW}, 30.0, 401), ({"exp": NOW}, 31.0, 401),
        ({"nbf": NOW}, -30.0, 200), ({"nbf": NOW}, -30.01, 401), ({"iat": NOW}, -30.0, 200),
        ({"iat": NOW}, -30.01, 401), ({"nbf": NOW, "iat": 0}, -31.0, 401), ({"nbf": 0, "iat": NOW}, -31.0, 401),
    ]  # fmt: skip
    for number, (claims, later, expected) in enumerate(edges):
        clock.now = NOW + later
        assert await status(gw, bearer(token({**claims, "jti": number}))) == expected, (claims, later)


@pytest.mark.parametrize(("leeway", "late"), [("0s", 0.0), ("5m", 300.0)])
async def test_the_leeway_is_what_the_file_says(leeway: str, late: float, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt(f'leeway = "{leeway}"') + ROUTES, origin=origin)
    clock = Now(gw, NOW + late - 0.5)
    assert await status(gw, bearer(token({"exp": NOW}))) == 200
    clock.now = NOW + late
    assert await status(gw, bearer(token({"exp": NOW}))) == 401


ISSUER = "https://issuer.example"
WRONG_ISSUERS = [
    None, "", "https://issuer.example/", "HTTPS://issuer.example", "https://issuer.example ", "https://evil.example",
    ["https://issuer.example"], {"iss": "https://issuer.example"}, 1, True, "https://issuer.example\u0000",
]  # fmt: skip


@pytest.mark.parametrize("iss", WRONG_ISSUERS, ids=repr)
async def test_another_issuers_token_is_refused(iss: object, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt(f'issuer = "{ISSUER}"') + ROUTES, origin=origin)
    assert await status(gw, bearer(token({"iss": ISSUER}))) == 200
    await refused(gw, token({"iss": iss}))


WRONG_AUDIENCES = [
    None, "", [], "other", ["other"], "api,other", "api other", "API", "ap", "apis", [["api"]], [{"aud": "api"}],
    {"api": 1}, 1, True, [None, 1], " api",
]  # fmt: skip


@pytest.mark.parametrize("aud", WRONG_AUDIENCES, ids=repr)
async def test_a_token_for_another_audience_is_refused(aud: object, gateway: Start, origin: Origin) -> None:
    for written in ('"api"', '["api", "web"]'):
        gw = await gateway(jwt(f"audience = {written}") + ROUTES, origin=origin)
        await refused(gw, token({"aud": aud}))
        for good in ("api", ["api"], ["other", "api"], ["api", 1, None]):
            assert await status(gw, bearer(token({"aud": good}))) == 200


async def test_claims_that_a_token_must_have_are_missed(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt('required_claims = ["exp", "jti", "org.id"]') + ROUTES, origin=origin)
    whole = {"jti": "x", "org": {"id": 1}}
    assert await status(gw, bearer(token(whole))) == 200
    lacks = [{"exp": None}, {"jti": None}, *({"org": org} for org in (None, {}, {"id": None}, "id", ["id"]))]
    for lacking in lacks:
        await refused(gw, token({**whole, **lacking}))
    null = '{"sub":"a","exp":4000000000,"jti":null,"org":{"id":1}}'
    await refused(gw, signed('{"alg":"HS256"}', null))


async def test_a_token_without_an_end_is_refused_unless_the_file_allows_it(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, token({"exp": None}))
    gw = await gateway(jwt("required_claims = []") + ROUTES, origin=origin)
    assert await status(gw, bearer(token({"exp": None}))) == 200
    await refused(gw, token({"exp": 1}))


NOBODY: list[Any] = [
    "", None, True, False, 1.5, [], {}, ["a"], {"id": "a"}, "a\r\nX-User-Role: admin", "a\nb", "a\rb", "a\0b", "a\tb",
    " a", "a ", "\u00a0a", "a\u2028b", "a\u200bb", "a\u202eb", "\u007f", "\u0085", "x" * 257, "\u00e9" * 129, 10**30,
]  # fmt: skip


@pytest.mark.parametrize("id_", NOBODY, ids=lambda id_: ascii(id_)[:20])
async def test_an_id_that_could_be_read_two_ways_is_nobodys(id_: object, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, token({"sub": id_}))
    assert origin.seen == []
    # An id is not looked for elsewhere.
    await refused(gw, token({"sub": id_, "id": "admin", "user_id": "admin"}))


@pytest.mark.parametrize("claim", ["role", "permissions", "tier", "tenant"])
@pytest.mark.parametrize("value", [1, True, {"a": 1}, [1], ["a", None], [["a"]], 1.5], ids=repr)
async def test_claims_of_another_type_prove_nothing(
    claim: str, value: object, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, token({claim: value}))


@pytest.mark.parametrize(
    "more", [{"role": "user,admin"}, {"role": ["user,admin"]}, {"role": "a\r\nX: y"}, {"role": ["a", "b\nc"]},
             {"tenant": "a\r\nX: y"}, {"tenant": " a"}, {"tenant": "a\0"}, {"role": "\ud800"}, {"tenant": "\ud800"},
             {"sub": "\ud800"}, {"role": "x" * 257}], ids=lambda more: ascii(more)[:30],
)  # fmt: skip
async def test_nothing_of_a_claim_becomes_a_header_of_its_own(
    more: dict[str, object], gateway: Start, origin: Origin
) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, token(more))
    assert origin.seen == []


async def test_a_role_is_not_split_and_permissions_are(gateway: Start, origin: Origin) -> None:
    """A role of "user admin" is neither user nor admin."""
    routes = '[roles]\nadmin = ["*"]\n' + ROUTES + 'roles = ["admin"]\n'
    gw = await gateway(jwt() + routes, origin=origin)
    for role in ("user admin", "admin user", "Admin", "ADMIN", "adm", "admins", "*", [], ["*"], ""):
        assert await status(gw, bearer(token({"role": role}))) == 403, role
    assert await status(gw, bearer(token({"role": ["x", "admin"]}))) == 200


TIERS = """
[tiers.pro]
requests = 100
window = "60s"
[tiers.inner]
requests = 100
window = "60s"
access = {access}
"""


@pytest.mark.parametrize("access", ['["public", "authenticated"]', '["authenticated"]'])
async def test_an_unknown_tier_without_a_default_opens_nothing_but_what_is_public(
    access: str, gateway: Start, origin: Origin
) -> None:
    """Whatever other tiers may ask."""
    gw = await gateway(jwt() + TIERS.format(access=access) + ROUTES, origin=origin)
    for tier in ("gold", None, "", "Pro", "pro ", "anonymous", "*"):
        assert await status(gw, bearer(token({"tier": tier}))) == 403, tier
        assert await status(gw, bearer(token({"tier": tier})), path="/open") == 200, tier
    assert await status(gw, bearer(token({"tier": "pro"}))) == 200
    assert {sent.header("x-user-tier") for sent in origin.seen} == {None, "pro"}


async def test_a_dotted_claim_leads_through_objects_only(gateway: Start, origin: Origin) -> None:
    claims = '[auth.tokens.claims]\nid = "user.id"\nrole = "realm.roles"\n'
    gw = await gateway(jwt(claims) + ROUTES, origin=origin)
    for good in ({"user": {"id": "u"}}, {"user.id": "u"}, {"user": {"id": "u"}, "user.id": "u"}):
        assert await status(gw, bearer(token(good))) == 200
    for bad in ({"user": "id"}, {"user": ["id"]}, {"user": {"id": {"id": "u"}}}, {"user": None}, {"id": "u"}):
        await refused(gw, token(bad))


async def test_an_api_key_is_refused_from_the_first_moment_of_its_last_day(gateway: Start, origin: Origin) -> None:
    gw = await gateway(api_keys(entry='expires = "2030-01-01"') + ROUTES, origin=origin)
    midnight = 1_893_456_000
    key = "X-API-Key: gwk_a_key_that_nobody_else_has"
    caller = await gw.connect()
    for now, expected in ((midnight - 1, 200), (midnight - 0.01, 200), (midnight, 401), (midnight + 9e9, 401)):
        Now(gw, now)
        assert await status(gw, key) == expected
        # And where it is remembered.
        assert (await caller.ask(get("/known", key))).status == expected


# -- anything

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text())
values = st.recursive(scalars, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3))
names = st.sampled_from(["sub", "role", "permissions", "tier", "tenant", "exp", "nbf", "iat", "iss", "aud"])
likely = st.one_of(values, st.text("abc-,\r\n ", max_size=5), st.lists(st.text("abc, \n", max_size=4), max_size=3))


@given(st.dictionaries(names, likely))
def test_any_claims_are_a_caller_whose_fields_say_just_that_or_nobody(claims: dict[str, Any]) -> None:
    claims = json.loads(json.dumps(claims))
    try:
        until = holds_until(claims, Expected(required=()), 1000.0)
        principal = proof_of(claims, Names(), "x", Identities({}, ["a"]), until).principal
    except Unproved:
        return
    role = claims.get("role") or []
    told = {
        "X-User-Id": str(claims["sub"]), "X-User-Role": role if isinstance(role, str) else ",".join(role),
        "X-User-Tier": "a" if claims.get("tier") == "a" else "", "X-Tenant-Id": claims.get("tenant") or "",
    }  # fmt: skip
    expected = [f"{name}: {value}".encode() for name, value in told.items() if value]
    assert principal.lines.split(b"\r\n") == [*expected, b""]
    assert isinstance(claims["sub"], str | int)
    assert until > 1000.0
