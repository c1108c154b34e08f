"""What pages of other origins may read: over real sockets, with what the service was sent and what it said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]

APP = "https://app.example.com"
SERVICE = """
[services.origin]
url = "${ORIGIN}"
"""
ROUTE = """
[[routes]]
path = "/*"
service = "origin"
"""
NAMED = f'[cors]\nallow_origins = ["{APP}"]\nexpose_headers = ["X-Total", "X-Request-Id"]\n'
ANY = '[cors]\nallow_origins = ["*"]\nexpose_headers = ["X-Total"]\n'


def ask(path: str = "/a", *fields: str, method: str = "GET") -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def said(answer: Answer) -> dict[str, list[str]]:
    """The fields that browsers look at, in lower case, as often as they stand there."""
    names = dict.fromkeys(name.lower() for name in answer.headers.names())
    found = {name: answer.headers.named(name) for name in names}
    return {name: values for name, values in found.items() if name.startswith("access-") or name == "vary"}


async def test_page_of_a_named_origin_may_read_what_the_service_answers(origin: Origin, gateway: Start):
    gw = await gateway(NAMED + SERVICE + ROUTE, origin)
    answer = await gw.ask(ask("/a", f"Origin: {APP}"))
    assert (answer.status, said(answer)) == (
        200,
        {
            "access-control-allow-origin": [APP],
            "access-control-expose-headers": ["X-Total, X-Request-Id"],
            "vary": ["Origin"],
        },
    )
    assert origin.last.header("Origin") == APP


@pytest.mark.parametrize(
    "other",
    [
        "https://evil.com", "http://app.example.com", "https://app.example.com:444", "https://app.example.com.evil.com",
        "https://evilapp.example.com", "https://APP.example.com", "null", "*", "", "https://app.example.com, https://b",
    ],
)  # fmt: skip
async def test_page_of_another_origin_may_not_and_caches_know_that_there_are_others(
    other: str, origin: Origin, gateway: Start
):
    gw = await gateway(NAMED + SERVICE + ROUTE, origin)
    answer = await gw.ask(ask("/a", f"Origin: {other}"))
    assert (answer.status, said(answer)) == (200, {"vary": ["Origin"]})


async def test_who_has_no_origin_is_told_as_little_and_is_served(origin: Origin, gateway: Start):
    gw = await gateway(NAMED + SERVICE + ROUTE, origin)
    answer = await gw.ask(ask())
    assert (answer.status, said(answer)) == (200, {"vary": ["Origin"]})


@pytest.mark.parametrize("fields", [(), (f"Origin: {APP}",), ("Origin: null",)])
async def test_any_origin_is_one_answer_for_all(fields: tuple[str, ...], origin: Origin, gateway: Start):
    gw = await gateway(ANY + SERVICE + ROUTE, origin)
    assert said(await gw.ask(ask("/a", *fields))) == {
        "access-control-allow-origin": ["*"], "access-control-expose-headers": ["X-Total"],
    }  # fmt: skip


async def test_with_credentials_the_origin_is_named_and_told_so(origin: Origin, gateway: Start):
    text = f'[cors]\nallow_origins = ["{APP}"]\nallow_credentials = true\n'
    gw = await gateway(text + SERVICE + ROUTE, origin)
    assert said(await gw.ask(ask("/a", f"Origin: {APP}"))) == {
        "access-control-allow-origin": [APP], "access-control-allow-credentials": ["true"], "vary": ["Origin"],
    }  # fmt: skip
    assert said(await gw.ask(ask("/a", "Origin: https://b"))) == {"vary": ["Origin"]}


@pytest.mark.parametrize(
    ("sent", "let_in"),
    [
        ("https://a.example.com", True), ("https://a.b.example.com", True), ("https://xn--9ca.example.com", True),
        ("https://example.com", False), ("https://evilexample.com", False), ("https://.example.com", False),
        ("https://a..example.com", False), ("http://a.example.com", False), ("https://a.example.com:8443", False),
        ("https://a.example.com.evil.com", False), ("https://evil.com/.example.com", False),
        ("https://evil.com?.example.com", False), ("https://u@a.example.com", False), ("https://a.exampleXcom", False),
    ],
)  # fmt: skip
async def test_star_stands_for_whole_labels(sent: str, let_in: bool, origin: Origin, gateway: Start):
    gw = await gateway('[cors]\nallow_origins = ["https://*.example.com"]\n' + SERVICE + ROUTE, origin)
    for _ in range(2):
        allowed = said(await gw.ask(ask("/a", f"Origin: {sent}"))).get("access-control-allow-origin")
        assert allowed == ([sent] if let_in else None)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("HTTPS://App.Example.COM:443", "https://app.example.com"), ("http://a:80", "http://a"),
        ("https://a:80", "https://a:80"), ("http://[::0001]:3000", "http://[::1]:3000"), ("null", "null"),
        ("capacitor://localhost", "capacitor://localhost"), ("https://*.Example.com:8443", "https://a.example.com:8443"),
    ],
)  # fmt: skip
async def test_origin_may_be_written_in_any_form_that_means_it(
    written: str, sent: str, origin: Origin, gateway: Start
):
    gw = await gateway(f'[cors]\nallow_origins = ["{written}"]\n' + SERVICE + ROUTE, origin)
    assert said(await gw.ask(ask("/a", f"Origin: {sent}")))["access-control-allow-origin"] == [sent]


async def test_fields_of_the_service_do_not_cross_beside_ours_and_its_vary_does(origin: Origin, gateway: Start):
    origin.answer(
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept-Encoding\r\nX-Total: 7\r\n"
        b"ACCESS-CONTROL-ALLOW-CREDENTIALS: true\r\nX-Access-Control-Note: mine\r\naccess-control-max-age: 9\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    gw = await gateway(NAMED + SERVICE + ROUTE, origin)
    client = await gw.connect()
    for sent, expected in ((APP, [APP]), ("https://b", []), (APP, [APP])):
        answer = await client.ask(ask("/a", f"Origin: {sent}"))
        assert answer.headers.named("Access-Control-Allow-Origin") == expected
        assert said(answer)["vary"] == ["Accept-Encoding", "Origin"]
        assert answer.headers.named("Access-Control-Allow-Credentials") == []
        assert answer.headers.named("Access-Control-Max-Age") == []
        assert (answer.header("X-Total"), answer.header("X-Access-Control-Note"), answer.body) == ("7", "mine", b"ok")


async def test_without_cors_the_service_says_what_it_likes(origin: Origin, gateway: Start):
    origin.answer(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n")
    gw = await gateway(SERVICE + ROUTE, origin)
    assert said(await gw.ask(ask("/a", f"Origin: {APP}"))) == {"access-control-allow-origin": ["*"]}


async def test_page_may_read_why_it_was_refused(gateway: Start):
    text = (
        NAMED
        + """
[services.gone]
url = "http://127.0.0.1:1"
connect_timeout = "1s"
[[routes]]
path = "/closed"
requires_auth = true
respond = {}
[[routes]]
path = "/few"
respond = {}
limit = { requests = 1, window = "60s" }
[[routes]]
path = "/shut"
respond = {}
maintenance = true
[[routes]]
path = "/gone"
service = "gone"
[[routes]]
path = "/shy"
respond = {}
addresses = { deny = ["127.0.0.0/8"] }
"""
    )
    gw = await gateway(text)
    assert (await gw.ask(ask("/few"))).status == 200
    for path, status in {"/closed": 401, "/few": 429, "/shut": 503, "/gone": 502, "/shy": 403}.items():
        answer = await gw.ask(ask(path, f"Origin: {APP}"))
        assert (answer.status, said(answer)["access-control-allow-origin"]) == (status, [APP])
        assert said(await gw.ask(ask(path))) == {"vary": ["Origin"]}


async def test_where_no_route_is_the_rule_of_all_holds(gateway: Start):
    gw = await gateway(NAMED + '[[routes]]\npath = "/a"\nmethod = "GET"\nrespond = {}\n')
    for raw, status in (
        (ask("/b", f"Origin: {APP}"), 404),
        (ask("/a", f"Origin: {APP}", method="PUT"), 405),
        (ask("/a%2Fb", f"Origin: {APP}"), 400),
        (ask("/a/../b", f"Origin: {APP}"), 400),
    ):
        answer = await gw.ask(raw)
        assert (answer.status, said(answer)["access-control-allow-origin"]) == (status, [APP])
    assert answer.json()["code"] == "ambiguous_path"
    gone = await gw.ask(ask("/a", method="PUT"))
    assert (gone.header("Allow"), said(gone)) == ("GET, HEAD", {"vary": ["Origin"]})
    assert [(one.status, one.route, one.code) for one in gw.records[:2]] == [
        (404, None, "not_found"), (405, None, "method_not_allowed"),
    ]  # fmt: skip


async def test_without_a_rule_of_all_no_route_is_no_cors(gateway: Start):
    text = f'[[routes]]\npath = "/a"\nrespond = {{}}\ncors = {{ allow_origins = ["{APP}"] }}\n'
    gw = await gateway(text)
    assert said(await gw.ask(ask("/b", f"Origin: {APP}"))) == {}
    assert said(await gw.ask(ask("/a", f"Origin: {APP}")))["access-control-allow-origin"] == [APP]


async def test_a_routes_own_cors_stands_in_place_of_the_whole(origin: Origin, gateway: Start):
    text = (
        NAMED
        + SERVICE
        + """
[[routes]]
path = "/own"
service = "origin"
cors = { allow_origins = ["https://partner.example.com"] }
[[routes]]
path = "/none"
service = "origin"
cors = {}
[[aggregations]]
path = "/both"
parts = [{ as = "a", service = "origin", path = "/a" }]
cors = { allow_origins = ["*"] }
"""
    )
    origin.answer(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: x\r\nContent-Length: 0\r\n\r\n")
    gw = await gateway(text, origin)
    partner = "https://partner.example.com"
    assert said(await gw.ask(ask("/own", f"Origin: {APP}"))) == {"vary": ["Origin"]}
    assert said(await gw.ask(ask("/own", f"Origin: {partner}"))) == {
        "access-control-allow-origin": [partner], "vary": ["Origin"],
    }  # fmt: skip
    assert said(await gw.ask(ask("/none", f"Origin: {APP}"))) == {"access-control-allow-origin": ["x"]}
    assert said(await gw.ask(ask("/both"))) == {"access-control-allow-origin": ["*"]}


async def test_health_checks_of_the_gateway_have_no_cors(gateway: Start):
    gw = await gateway('[gateway]\nhealthz = "/healthz"\n' + NAMED)
    assert said(await gw.ask(ask("/healthz", f"Origin: {APP}"))) == {}


async def test_however_many_origins_ask_few_are_remembered(origin: Origin, gateway: Start):
    from gwproxy.config.cors import Cors
    from gwproxy.exchange import Exchange, Reply, Sender
    from gwproxy.steps.cors import MAX_REMEMBERED, Policy
    from gwproxy.wire.request import FieldsOfRequest, RequestHead

    policy = Policy(Cors(allow_origins=(APP, "https://*.example.com")))

    def lines(sent: str) -> bytes:
        head = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Origin: " + sent.encode()), keep=True)
        reply = Reply(200, b"", b"", b"", 0)
        policy.finish(Exchange(head, Sender(), 0.0), reply)
        return reply.lines

    for number in range(3 * MAX_REMEMBERED):
        assert b"Allow-Origin" in lines(f"https://a{number}.example.com")
        assert b"Allow-Origin" not in lines(f"https://{'a' * 300}{number}.example.org")
        assert len(policy._known) <= MAX_REMEMBERED
    assert b"Allow-Origin: https://app.example.com\r\n" in lines(APP)
