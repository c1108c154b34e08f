"""Whoever judges callers is shown what its route takes, and no credential that is another authenticator's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.auth.attacking import KEY, Start, api_keys, bearer, get, jwt
from tests.support.origin import Origin
from tests.support.tokens import token

IN = b"HTTP/1.1 200 OK\r\nX-Auth-User: u-7\r\nContent-Length: 0\r\n\r\n"
OTHERS = (
    jwt('from = "query:t"', name="link") + jwt('from = "cookie:session"', name="web") + jwt(name="api") + api_keys()
)
PORTAL = """
[auth.portal]
type = "forward"
service = "judge"
send = ["X-Portal"]
cookies = ["sid", "s*"]
%s
[services.origin]
url = "${ORIGIN}"
[services.judge]
url = "${JUDGE}"
[[routes]]
path = "/portal"
service = "origin"
requires_auth = true
auth = ["portal"]
[[routes]]
path = "/forwarded"
service = "origin"
requires_auth = true
auth = ["portal"]
forward_credentials = true
[[routes]]
path = "/all"
service = "origin"
requires_auth = true
"""
SECRET_OF = {"link": token({"sub": "l"}), "web": token({"sub": "w"}), "api": token({"sub": "a"})}


@pytest.fixture
async def judge(level: object) -> AsyncIterator[Origin]:
    """Somebody who lets everybody in."""
    service = Origin()
    service.answer(IN)
    await service.start()
    yield service
    await service.stop()
    assert service.faults == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?a=1&t={t}", "?a=1"), ("?t={t}", ""), ("?a=1&%74={t}&b=%20&&c", "?a=1&b=%20&&c"), ("?t={t}&t={t}", ""),
        ("?T={t}", "?T={t}"), ("?a=t={t}", "?a=t={t}"), ("?", "?"), ("", ""), ("?t=", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/portal", "/forwarded"])
async def test_the_query_is_shown_without_credentials_of_others(
    path: str, query: str, shown: str, gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await gateway(OTHERS + PORTAL % "", origin=origin, judge=judge.url)
    query, shown = query.format(t=SECRET_OF["link"]), shown.format(t=SECRET_OF["link"])
    assert (await gw.ask(get(path + query, "X-Portal: p"))).status == 200
    assert judge.last.header("x-forwarded-uri") == path + shown
    assert origin.last.target.decode() == path + (query if path == "/forwarded" else shown)


async def test_headers_and_cookies_of_others_are_not_shown(gateway: Start, origin: Origin, judge: Origin) -> None:
    """Though the session begins as the portal's own cookies do."""
    gw = await gateway(OTHERS + PORTAL % "", origin=origin, judge=judge.url)
    web, api = SECRET_OF["web"], SECRET_OF["api"]
    for cookies in (f"session={web}; sid=1; a=2; s3=4", f"sid=1; session ={web}; a=2; s3=4"):
        answer = await gw.ask(get("/portal", bearer(api), f"X-API-Key: {KEY}", f"Cookie: {cookies}"))
        assert answer.status == 200
        asked = judge.last
        told = [asked.header(name) for name in ("cookie", "authorization", "x-api-key")]
        assert told == ["sid=1; s3=4", None, None]
        for secret in (web, api, KEY):
            assert secret.encode() not in asked.raw_head + origin.last.raw_head
        assert origin.last.header("cookie") == "a=2"


async def test_what_the_portal_names_itself_is_shown(gateway: Start, origin: Origin, judge: Origin) -> None:
    named = PORTAL.replace('"sid", "s*"', '"session"').replace('["X-Portal"]', '["X-Api-Key"]')
    named = named.replace('path = "/all"\n', 'path = "/all"\nauth = ["api"]\n')
    gw = await gateway(OTHERS + named % "", origin=origin, judge=judge.url)
    web = SECRET_OF["web"]
    assert (await gw.ask(get("/portal", f"X-API-Key: {KEY}", f"Cookie: session={web}; a=1"))).status == 200
    assert [judge.last.header(name) for name in ("x-api-key", "cookie")] == [KEY, f"session={web}"]


async def test_a_cookie_that_one_portal_names_is_not_another_s_by_its_beginning(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    second = '[auth.second]\ntype = "forward"\nservice = "judge"\nsend = []\ncookies = ["sso"]\n'
    routes = PORTAL.replace('path = "/all"\n', 'path = "/all"\nauth = ["second"]\n')
    gw = await gateway(second + routes % "", origin=origin, judge=judge.url)
    cookies = "Cookie: sso=1; sid=2; s3=3; a=4"
    for path, shown in (("/portal", "sid=2; s3=3"), ("/all", "sso=1")):
        assert (await gw.ask(get(path, cookies))).status == 200
        assert (judge.last.header("cookie"), origin.last.header("cookie")) == (shown, "a=4")


async def test_a_cookie_s_name_is_its_own_with_blanks_around_it(gateway: Start, origin: Origin, judge: Origin) -> None:
    """Many servers drop them: it would have been let through to the service."""
    gw = await gateway(PORTAL.replace('"s*"', '"web*"') % "", origin=origin, judge=judge.url)
    assert (await gw.ask(get("/portal", "Cookie: a=1; sid =2; web1\t=3"))).status == 200
    assert judge.last.header("cookie") == "sid =2; web1\t=3"
    assert origin.last.header("cookie") == "a=1"


async def test_a_route_that_takes_both_tells_their_cookies_apart(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await gateway(OTHERS + PORTAL % "", origin=origin, judge=judge.url)
    assert (await gw.ask(get("/all", f"Cookie: session={SECRET_OF['web']}"))).status == 200
    assert (origin.last.header("x-user-id"), judge.seen) == ("w", [])
    assert (await gw.ask(get("/all", "Cookie: sid=1"))).status == 200
    assert (origin.last.header("x-user-id"), len(judge.seen)) == ("u-7", 1)


async def test_a_judgement_is_kept_for_what_was_shown(gateway: Start, origin: Origin, judge: Origin) -> None:
    """Another token in the query is no other question."""
    gw = await gateway(OTHERS + PORTAL % 'cache = "1m"', origin=origin, judge=judge.url)
    for t in ("x", "y"):
        assert (await gw.ask(get(f"/portal?t={t}", "X-Portal: p"))).status == 200
    assert len(judge.seen) == 1
    assert (await gw.ask(get("/portal?a=1&t=y", "X-Portal: p"))).status == 200
    assert len(judge.seen) == 2
