"""WWW-Authenticate: all that a route takes, each scheme once, and a word on a bearer token only to who sent one."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from gwproxy.auth.passwords import hashed
from tests.auth.attacking import KEY, ROUTES, Start, api_keys, bearer, get, jwt
from tests.support.origin import Origin
from tests.support.signing import ed25519_signer
from tests.support.tokens import token

ED = ed25519_signer()
BASIC = f"""
[auth.staff]
type = "basic"
[[auth.staff.users]]
name = "greta"
password = "{hashed("right", p=1).written()}"
id = "u-17"
"""
SIGNED = f"""
[auth.signed]
type = "signature"
[[auth.signed.keys]]
keyid = "ed"
algorithm = "ed25519"
key = '''{ED.config_text}'''
id = "partner"
"""
PORTAL = '[auth.portal]\ntype = "forward"\nurl = "${JUDGE}"\n%s\n'
COOKIE = jwt('from = "cookie:session"', name="web")
ALL = jwt() + COOKIE + api_keys() + BASIC + SIGNED + PORTAL % 'send = ["X-Portal"]' + ROUTES
BEARER, INVALID = 'Bearer realm="gwproxy"', 'Bearer realm="gwproxy", error="invalid_token"'
OTHERS = ['ApiKey realm="gwproxy"', 'Basic realm="gwproxy", charset="UTF-8"', 'Signature realm="gwproxy"']
WRONG = "Authorization: Basic " + base64.b64encode(b"greta:wrong").decode()


@pytest.fixture
async def judge(level: object) -> AsyncIterator[Origin]:
    """Somebody who lets nobody in."""
    service = Origin()
    service.answer(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    await service.start()
    yield service
    await service.stop()


@pytest.mark.parametrize(
    "fields",
    [
        (), ("Authorization: Other x",), ("Authorization: Bearer",), (WRONG,), (f"X-API-Key: {KEY}x",),
        ("Signature: sig1=:AAAA:", "Signature-Input: sig1=()"), ("Cookie: session=x.y.z",), ("X-Portal: x",),
        (f"X-API-Key: {KEY}", WRONG), ("X-Other: Bearer x", "X-Portal: Bearer x"),
    ],
)  # fmt: skip
async def test_who_sent_no_bearer_token_is_told_nothing_of_one(
    fields: tuple[str, ...], gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await gateway(ALL, origin=origin, judge=judge.url)
    answer = await gw.ask(get("/known", *fields))
    assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, [BEARER, *OTHERS])


@pytest.mark.parametrize(
    "fields",
    [
        (bearer("x"),), (bearer(token({"exp": 1})),), ("authorization:BEARER\tx",), (bearer(token()), bearer(token())),
        (bearer(token()), f"X-API-Key: {KEY}"), (bearer("x"), "Cookie: session=y"), (WRONG, bearer(token())),
    ],
)  # fmt: skip
async def test_a_bearer_token_that_proves_nothing_is_told_as_invalid(
    fields: tuple[str, ...], gateway: Start, origin: Origin, judge: Origin
) -> None:
    """RFC 6750 section 3.1."""
    gw = await gateway(ALL, origin=origin, judge=judge.url)
    answer = await gw.ask(get("/known", *fields))
    assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, [INVALID, *OTHERS])


async def test_each_scheme_is_told_once(gateway: Start, origin: Origin, judge: Origin) -> None:
    for scheme in ("Bearer", "BEARER"):
        portal = PORTAL % f'send = ["X-Portal"]\nscheme = "{scheme}"'
        gw = await gateway(jwt() + jwt(name="b") + portal + ROUTES, origin=origin, judge=judge.url)
        for fields, told in (((), BEARER), (("X-Portal: x",), BEARER), ((bearer("x"),), INVALID)):
            answer = await gw.ask(get("/known", *fields))
            assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, [told])


async def test_a_judge_of_bearer_tokens_says_so_too(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await gateway(PORTAL % 'cookies = ["sid"]' + ROUTES, origin=origin, judge=judge.url)
    for fields, told in (((bearer("x"),), INVALID), (("Authorization: x",), BEARER), (("Cookie: sid=1",), BEARER)):
        answer = await gw.ask(get("/known", *fields))
        assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, [told])


async def test_where_no_bearer_token_is_taken_none_is_told_of(gateway: Start, origin: Origin) -> None:
    """An API key may stand behind that scheme too."""
    gw = await gateway(api_keys('from = "header:Authorization"') + ROUTES, origin=origin)
    for fields in ((), (bearer("x"),), ("Authorization: ApiKey x",)):
        answer = await gw.ask(get("/known", *fields))
        assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, ['ApiKey realm="gwproxy"'])
