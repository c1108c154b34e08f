"""Routes whose callers somebody else judges, over real sockets: what that is sent, and what its answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.forward import Sent
from gwproxy.exchange import Exchange, Sender
from gwproxy.wire.request import FieldsOfRequest, request_head
from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import SECRET, token
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

CONFIG = """
[auth]
default_tier = "basic"
[auth.portal]
type = "forward"
%s
path = "/judge"
cookies = ["sid", "oauth2_*"]
timeout = "1s"

[services.origin]
url = "${ORIGIN}"
[services.judge]
url = "${JUDGE}"

[roles]
clerk = ["orders:read"]
[tiers.pro]
requests = 1000
window = "60s"
[tiers.basic]
requests = 1000
window = "60s"

[[routes]]
path = "/known/*"
method = "*"
service = "origin"
requires_auth = true
[[routes]]
path = "/orders"
service = "origin"
permissions = ["orders:read", "x:write"]
[[routes]]
path = "/open"
service = "origin"
requires_auth = false
[[routes]]
path = "/forwarded"
service = "origin"
requires_auth = true
forward_credentials = true
"""


def config(*more: str, asked: str = 'service = "judge"') -> str:
    return CONFIG % "\n".join((asked, *more))


@pytest.fixture
async def judge(level: object) -> object:
    """Somebody who judges."""
    service = Origin()
    await service.start()
    yield service
    await service.stop()
    assert service.faults == []


def says(status: int, *fields: str, body: bytes = b"") -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


IN = says(200, "X-Auth-User: u-7")


NAMES = st.sampled_from(["sid", "oauth2_", "oauth2_1", "side", "SID", "a", ""])


@given(st.lists(st.tuples(NAMES, st.text("xy=", max_size=3)), min_size=1))
def test_each_cookie_is_either_judged_or_passed_on(cookies: list[tuple[str, str]]) -> None:
    place = Sent(("X-Auth",), ("sid", "oauth2_*"))
    value = "; ".join(f"{name}={content}" for name, content in cookies).encode()
    head = FieldsOfRequest(b"Host: a\r\nCookie: " + value)
    exchange = Exchange(request_head(b"GET / HTTP/1.1", head), Sender("192.0.2.1"), 0.0)
    (line,) = head.fields.kept
    judged, passed = place.find(exchange), place.without(line)
    mine = [pair for pair in value.split(b"; ") if pair.startswith((b"sid=", b"oauth2_"))]
    others = [pair for pair in value.split(b"; ") if pair not in mine]
    assert (judged or b"").partition(b"X-Forwarded")[0] == (b"Cookie: %b\r\n" % b"; ".join(mine) if mine else b"")
    assert passed == (b"Cookie: %b\r\n" % b"; ".join(others) if others else b"")


def get(path: str, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: api.example\r\n{lines}\r\n".encode()


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


async def started(gateway: Start, origin: Origin, judge: Origin, *more: str, answer: bytes = IN, **how: str) -> Gateway:
    judge.answer(answer)
    return await gateway(config(*more, **how), origin=origin, judge=judge.url)


@pytest.mark.asyncio
async def test_the_judge_is_sent_the_credential_and_what_it_came_with(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await started(gateway, origin, judge)
    raw = b"POST /known/a%20b?x=1 HTTP/1.1\r\nHost: api.example\r\nAuthorization: Any thing\r\nX-Other: 1\r\n"
    raw += b"Cookie: a=1; sid=s; b=2\r\nX-Forwarded-Uri: /forged\r\nContent-Length: 3\r\n\r\nabc"
    assert (await gw.ask(raw)).status == 200
    asked, sent = judge.last, origin.last
    assert (asked.method, asked.target, asked.body) == (b"GET", b"/judge", b"")
    told = {name: asked.header(name) for name in (
        "authorization", "cookie", "x-other", "x-forwarded-method", "x-forwarded-uri", "x-forwarded-host",
        "x-forwarded-proto", "x-forwarded-for", "content-length", "x-request-id",
    )}  # fmt: skip
    assert told == {
        "authorization": "Any thing", "cookie": "sid=s", "x-other": None, "x-forwarded-method": "POST",
        "x-forwarded-uri": "/known/a%20b?x=1", "x-forwarded-host": "api.example", "x-forwarded-proto": "http",
        "x-forwarded-for": "127.0.0.1", "content-length": None, "x-request-id": sent.header("x-request-id"),
    }  # fmt: skip
    assert (sent.body, sent.header("x-user-id")) == (b"abc", "u-7")


@pytest.mark.asyncio
async def test_services_get_neither_the_headers_nor_the_cookies_that_were_judged(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await started(gateway, origin, judge)
    fields = ("Authorization: x", "Cookie: a=1; sid=s; oauth2_0=x; b=2; sidecar=1")
    for path in ("/known/", "/open"):
        await gw.ask(get(path, *fields))
        assert (origin.last.header("authorization"), origin.last.header("cookie")) == (None, "a=1; b=2; sidecar=1")
    await gw.ask(get("/open", "Cookie: sid=s"))
    assert origin.last.header("cookie") is None
    await gw.ask(get("/forwarded", *fields))
    assert origin.last.header("cookie") == "a=1; sid=s; oauth2_0=x; b=2; sidecar=1"


@pytest.mark.asyncio
async def test_the_answer_says_who_is_calling(gateway: Start, origin: Origin, judge: Origin) -> None:
    answer = says(
        204, "X-Auth-User: ü-7", "X-Auth-Role: clerk, other", "X-Auth-Permissions: x:write, y:z  a", "X-Auth-Tier: pro",
        "X-Auth-Tenant: acme",
    ).replace(b"Content-Length: 0\r\n", b"")  # fmt: skip
    gw = await started(gateway, origin, judge, answer=answer)
    assert (await gw.ask(get("/orders", "Authorization: x"))).status == 200
    told = [origin.last.header(name) for name in ("x-user-role", "x-user-tier", "x-tenant-id")]
    assert told == ["clerk,other", "pro", "acme"]
    assert gw.records[0].principal == "ü-7"


@pytest.mark.asyncio
async def test_what_the_answer_means(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await started(gateway, origin, judge)
    for answer, expected in (
        (says(401), (401, "unauthenticated")),
        (says(403), (403, "forbidden")),
        (says(302, "Location: /login", "X-Auth-User: a"), (503, "state_unavailable")),
        (says(500, "X-Auth-User: a"), (503, "state_unavailable")),
        (says(200), (503, "state_unavailable")),
        (says(200, "X-Auth-User: "), (503, "state_unavailable")),
        (says(200, "X-Auth-User: a", "X-Auth-User: b"), (503, "state_unavailable")),
        (says(200, "X-Auth-User: a\tb"), (503, "state_unavailable")),
        (b"rubbish\r\n\r\n", (503, "state_unavailable")),
    ):
        judge.answer_once(answer)
        assert code(await gw.ask(get("/known/", "Authorization: x"))) == expected, answer
    assert origin.seen == []
    judge.answer_once(says(500))
    assert (await gw.ask(get("/open", "Authorization: x"))).status == 200
    assert origin.last.header("x-user-id") is None


@pytest.mark.asyncio
async def test_who_sends_no_credential_is_not_asked_about(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await started(gateway, origin, judge)
    answer = await gw.ask(get("/known/", "Cookie: a=1; sidecar=2"))
    assert code(answer) == (401, "unauthenticated")
    assert answer.headers.named("WWW-Authenticate") == ['Bearer realm="gwproxy"']
    assert (await gw.ask(get("/open"))).status == 200
    assert judge.seen == []


@pytest.mark.asyncio
async def test_each_request_is_judged_for_itself(gateway: Start, origin: Origin, judge: Origin) -> None:
    """Same field lines, same connection, another path: a judge may let in to one and not to the other."""
    gw = await started(gateway, origin, judge)
    judge.answer(lambda asked: IN if asked.header("x-forwarded-uri") == "/known/mine" else says(403))
    caller = await gw.connect()
    for path, status in (("mine", 200), ("mine", 200), ("yours", 403), ("mine", 200)):
        assert (await caller.ask(get(f"/known/{path}", "Authorization: x"))).status == status
    assert len(judge.seen) == 4


@pytest.mark.asyncio
async def test_a_judgement_is_kept_for_the_very_same_question_only(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await started(gateway, origin, judge, 'cache = "1m"')
    judge.answer(lambda asked: IN if asked.header("x-forwarded-uri") == "/known/mine" else says(403))
    caller = await gw.connect()
    for _ in range(3):
        assert (await caller.ask(get("/known/mine", "Authorization: x", "A: b"))).status == 200
        assert (await gw.ask(get("/known/mine", "Authorization: x"))).status == 200
    assert len(judge.seen) == 1
    assert (await caller.ask(get("/known/yours", "Authorization: x", "A: b"))).status == 403
    assert (await caller.ask(get("/known/mine", "Authorization: y"))).status == 200
    await caller.ask(get("/known/mine", "Authorization: x").replace(b"GET", b"PUT"))
    assert len(judge.seen) == 4


@pytest.mark.asyncio
async def test_a_judge_that_is_silent_or_gone_lets_nobody_in(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await started(gateway, origin, judge)
    held = asyncio.Event()

    async def never(_: object) -> bytes:
        await held.wait()
        return IN

    judge.answer(never)
    assert code(await gw.ask(get("/known/", "Authorization: x"))) == (503, "state_unavailable")
    held.set()
    await judge.stop()
    assert code(await gw.ask(get("/known/", "Authorization: x"))) == (503, "state_unavailable")
    await judge.start()


@pytest.mark.asyncio
async def test_answers_bodies_are_dropped_and_connections_used_again(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await started(gateway, origin, judge, answer=says(200, "X-Auth-User: u", body=b"b" * 20_000))
    caller = await gw.connect()
    for _ in range(3):
        assert (await caller.ask(get("/known/", "Authorization: x"))).status == 200
    assert {asked.connection for asked in judge.seen} == {judge.seen[0].connection}
    judge.answer(says(200, "X-Auth-User: u", body=b"b" * 5_000_000))
    assert (await caller.ask(get("/known/", "Authorization: x"))).status == 200


@pytest.mark.asyncio
async def test_a_caller_who_leaves_takes_the_question_with_it(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await started(gateway, origin, judge)
    asked, held = asyncio.Event(), asyncio.Event()

    async def never(_: object) -> bytes:
        asked.set()
        await held.wait()
        return IN

    judge.answer(never)
    caller = await gw.connect()
    await caller.send(get("/known/", "Authorization: x"))
    await asked.wait()
    caller.close()
    await until(lambda: bool(gw.records))
    assert gw.records[0].status == 499
    held.set()
    assert origin.seen == []


@pytest.mark.asyncio
async def test_the_judge_may_be_no_service_and_a_gateway_that_judges_itself_notices(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await started(gateway, origin, judge, asked='url = "${JUDGE}/base"')
    assert (await gw.ask(get("/known/", "Authorization: x"))).status == 200
    assert judge.last.target == b"/base/judge"
    via = judge.last.header("via")
    assert code(await gw.ask(get("/known/", "Authorization: x", f"Via: {via}"))) == (508, "loop_detected")


@pytest.mark.asyncio
async def test_the_gateway_s_own_credentials_go_to_the_judge_too(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    own = 'credentials.header = { name = "X-Key", value = "own" }'
    text = config().replace('url = "${JUDGE}"', f'url = "${{JUDGE}}"\n{own}')
    judge.answer(IN)
    gw = await gateway(text, origin=origin, judge=judge.url)
    assert (await gw.ask(get("/known/", "Authorization: x", "X-Key: forged"))).status == 200
    assert judge.last.header("x-key") == "own"


@pytest.mark.asyncio
async def test_two_credentials_in_one_cookie_field_are_both_taken_out(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    session = f'[auth.session]\ntype = "jwt"\nfrom = "cookie:session"\nalgorithms = ["HS256"]\nkey = "{SECRET}"\n'
    judge.answer(IN)
    gw = await gateway(session + config(), origin=origin, judge=judge.url)
    await gw.ask(get("/open", f"Cookie: a=1; session={token()}; sid=s"))
    assert origin.last.header("cookie") == "a=1"
