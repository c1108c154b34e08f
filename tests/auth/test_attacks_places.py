"""Where credentials stand: one in a request, in one place; and none that gets where it should not."""

from __future__ import annotations

import pytest

from tests.auth.attacking import KEY, ROUTES, Start, api_keys, bearer, get, jwt, status
from tests.support.origin import Origin
from tests.support.tokens import token

IN_COOKIE = jwt('from = "cookie:session"')
IN_QUERY = jwt('from = "query:token"')
GOOD = token({"sub": "good"})
EVIL = token({"sub": "evil"})

SEVERAL = [
    (IN_COOKIE, "/known", (f"Cookie: session={GOOD}", f"Cookie: session={GOOD}")),
    (IN_COOKIE, "/known", (f"Cookie: session={GOOD}; session={EVIL}",)),
    (IN_COOKIE, "/known", (f"Cookie: session={GOOD}; session ={EVIL}",)),
    (IN_COOKIE, "/known", (f'Cookie: session="{GOOD}"; session={GOOD}',)),
    (IN_COOKIE, "/known", (f"Cookie: session=x; a=b;session={GOOD}",)),
    (IN_QUERY, f"/known?token={GOOD}&token={EVIL}", ()),
    (IN_QUERY, f"/known?token={GOOD}&a=b&token={GOOD}", ()),
    (IN_QUERY, f"/known?token={GOOD}&%74oken={EVIL}", ()),
    (IN_QUERY, f"/known?%74%6F%6b%65%6E={EVIL}&token={GOOD}", ()),
    (IN_QUERY, f"/known?token=x&token={GOOD}", ()),
    (IN_QUERY + api_keys(), f"/known?token={GOOD}", (f"X-API-Key: {KEY}",)),
    (IN_COOKIE + api_keys(), "/known", (f"Cookie: session={GOOD}", f"X-API-Key: {KEY}")),
    (IN_COOKIE + api_keys('from = "cookie:key"'), "/known", (f"Cookie: session={GOOD}; key={KEY}",)),
    (IN_COOKIE + jwt(name="h"), "/known", (f"Cookie: session={GOOD}", bearer(GOOD))),
    (jwt(), "/known", (bearer(GOOD), bearer(EVIL))),
    (jwt(), "/known", (bearer(GOOD), f"authorization:bearer {GOOD}")),
    (api_keys(), "/known", (f"X-API-Key: {KEY}", f"x-api-key: Bearer {KEY}")),
]  # fmt: skip


@pytest.mark.parametrize(("methods", "path", "fields"), SEVERAL)
async def test_several_credentials_prove_nothing_and_none_gets_through(
    methods: str, path: str, fields: tuple[str, ...], gateway: Start, origin: Origin
) -> None:
    gw = await gateway(methods + ROUTES, origin=origin)
    assert await status(gw, *fields, path=path) == 401
    assert gw.records[0].cause == "two credentials in one request"
    assert await status(gw, *fields, path=path.replace("/known", "/open")) == 200
    [sent] = origin.seen
    assert sent.header("x-user-id") is None
    for secret in (GOOD, EVIL, KEY):
        assert secret.encode() not in sent.raw_head


async def test_a_cookie_is_taken_out_and_the_others_stay(gateway: Start, origin: Origin) -> None:
    gw = await gateway(IN_COOKIE + ROUTES, origin=origin)
    for written, left in (
        (f"session={GOOD}", None), (f"a=1; session={GOOD}; b=2", "a=1; b=2"), (f'session="{GOOD}";a="x y"', 'a="x y"'),
        (f"  session={GOOD}  ;a=1", "a=1"), (f"session ={GOOD}; a=1", "a=1"), (f"session={GOOD}; session=; a=1", "a=1"),
        (f"session=\t{GOOD}; sessions=1; Session=2", "sessions=1; Session=2"),
    ):  # fmt: skip
        assert await status(gw, f"Cookie: {written}") == 200, written
        assert (origin.last.header("cookie"), origin.last.header("x-user-id")) == (left, "good")
    for other in (f"Session={GOOD}", f"xsession={GOOD}", f"$session={GOOD}", f"a=session={GOOD}", GOOD,
        f"session:{GOOD}"):
        assert await status(gw, f"Cookie: {other}") == 401, other


async def test_a_key_of_the_query_is_taken_out_and_the_others_stay(gateway: Start, origin: Origin) -> None:
    gw = await gateway(IN_QUERY + ROUTES, origin=origin)
    for query, left in (
        (f"?token={GOOD}", ""), (f"?a=1&token={GOOD}&b=%20&&c", "?a=1&b=%20&&c"), (f"?%74oken={GOOD}&x", "?x"),
        (f"?tok%65n={GOOD.replace('e', '%65')}", ""), (f"?token=&token={GOOD}&token", ""),
        (f"?a=token={GOOD[:9]}&token={GOOD}", f"?a=token={GOOD[:9]}"), (f"?Token=1&token={GOOD}", "?Token=1"),
    ):  # fmt: skip
        assert await status(gw, path=f"/known{query}") == 200, query
        assert (origin.last.target.decode(), origin.last.header("x-user-id")) == (f"/known{left}", "good")
    for query in (f"?TOKEN={GOOD}", f"?a=1;token={GOOD}", f"?%2574oken={GOOD}", f"?token%00={GOOD}",
        f"?token[]={GOOD}"):
        assert await status(gw, path=f"/known{query}") == 401, query


async def test_two_cookies_with_credentials_are_both_taken_out(gateway: Start, origin: Origin) -> None:
    """Also the one that the route does not take."""
    methods = IN_COOKIE + api_keys('from = "cookie:key"')
    own = '[[routes]]\npath = "/own"\nservice = "origin"\nrequires_auth = true\nauth = ["keys"]\n'
    gw = await gateway(methods + ROUTES + own, origin=origin)
    for cookies in (f"session={GOOD}; key={KEY}; a=1", f"key={KEY}; a=1; session={GOOD}"):
        assert await status(gw, f"Cookie: {cookies}", path="/own") == 200
        assert origin.last.header("cookie") == "a=1"


async def test_one_header_may_be_two_authenticators(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + api_keys('from = "header:Authorization"') + ROUTES, origin=origin)
    for credential, who in ((GOOD, "good"), (KEY, "partner")):
        assert await status(gw, bearer(credential)) == 200
        assert origin.last.header("x-user-id") == who
        assert origin.last.header("authorization") is None
    assert await status(gw, f"Authorization: ApiKey {KEY}") == 200
    for several in (
        (bearer(GOOD), bearer(KEY)), (bearer(GOOD), f"Authorization: ApiKey {KEY}"), (bearer(GOOD), bearer(GOOD)),
    ):  # fmt: skip
        assert await status(gw, *several) == 401


async def test_schemes_are_compared_without_case_and_others_are_no_credentials(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    for good in (f"BEARER {GOOD}", f"bearer   {GOOD}", f"bEaReR\t{GOOD}"):
        assert await status(gw, f"Authorization: {good}") == 200
    for bad in (
        GOOD, f"Bearer{GOOD}", f"Token {GOOD}", f"Basic {GOOD}", f"Bearer: {GOOD}", f"Bearer={GOOD}",
        f'"Bearer" {GOOD}',
        f"Bearer,{GOOD}", f"Bearer Bearer {GOOD}", "Bearer", "Bearer ", f"DPoP {GOOD}", f"Basic x, Bearer {GOOD}",
    ):  # fmt: skip
        assert await status(gw, f"Authorization: {bad}") == 401, bad
    assert await status(gw, b"Authorization: Bearer\xa0" + GOOD.encode()) == 401
    for name in ("Authorization-", "X-Authorization", "Proxy-Authorization", "Authorisation", "Author_ization"):
        assert await status(gw, f"{name}: Bearer {GOOD}") == 401


async def test_names_of_the_key_header_have_no_aliases(gateway: Start, origin: Origin) -> None:
    gw = await gateway(api_keys() + ROUTES, origin=origin)
    for name in ("X_API_Key", "X.API.Key", "XAPIKey", "X-API-Key-", "X--API-Key", "API-Key"):
        assert await status(gw, f"{name}: {KEY}") == 401, name
    for name in ("X-API-Key", "x-api-key", "X-ApI-kEy"):
        assert await status(gw, f"{name}:{KEY}") == 200, name
    for value in (KEY.upper(), KEY + " x", KEY[:-1], KEY + "\u00a0", f'"{KEY}"', f"{KEY},{KEY}", "", KEY * 20):
        assert await status(gw, f"X-API-Key: {value}") == 401, value


@pytest.mark.parametrize("named", ["Authorization", "authorization, X-API-Key", "close, AUTHORIZATION", "X-Api-Key",
"cookie"])
async def test_what_connection_names_is_no_credential(named: str, gateway: Start, origin: Origin) -> None:
    """It is about the last hop only, for whoever wrote it: neither believed nor passed on."""
    gw = await gateway(jwt() + api_keys() + jwt('from = "cookie:session"', name="c") + ROUTES, origin=origin)
    fields = {"authorization": bearer(GOOD), "x-api-key": f"X-API-Key: {KEY}", "cookie": f"Cookie: session={GOOD}"}
    hidden = [line for name, line in fields.items() if name in named.lower()]
    for line in hidden:
        for lines in ((f"Connection: {named}", line), (line, f"connection: {named}")):
            assert await status(gw, *lines) == 401
            assert await status(gw, *lines, path="/open") == 200
            assert origin.last.header("x-user-id") is None
            assert GOOD.encode() not in origin.last.raw_head
            assert KEY.encode() not in origin.last.raw_head


async def test_a_trailer_is_no_credential(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    late = f"0\r\nAuthorization: Bearer {GOOD}\r\nX-User-Id: admin\r\n\r\n"
    fields = ("Transfer-Encoding: chunked", "Trailer: Authorization, X-User-Id")
    assert (await gw.ask(get("/known", *fields, method="POST") + late.encode())).status == 401
    assert (await gw.ask(get("/open", *fields, method="POST") + late.encode())).status == 200
    [sent] = origin.seen
    assert (sent.header("x-user-id"), sent.trailers.one("authorization")) == (None, None)


async def test_a_credential_is_not_looked_for_where_the_file_does_not_say(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    for fields, path in (
        ((f"Cookie: token={GOOD}; session={GOOD}; Authorization=Bearer {GOOD}",), "/known"),
        ((), f"/known?token={GOOD}&access_token={GOOD}&authorization=Bearer%20{GOOD}"), ((f"X-API-Key: {GOOD}",),
        "/known"),
        ((f"X-Access-Token: {GOOD}",), "/known"), ((f"Sec-WebSocket-Protocol: bearer, {GOOD}",), "/known"),
    ):  # fmt: skip
        assert await status(gw, *fields, path=path) == 401
    form = f"access_token={GOOD}".encode()
    post = get("/known", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}",
        method="POST")
    assert (await gw.ask(post + form)).status == 401
    assert origin.seen == []
