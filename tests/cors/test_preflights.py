"""Preflights: what pages of other origins may ask for. The gateway answers them, and no service ever sees one."""

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
path = "/users/:id"
methods = ["GET", "PUT"]
service = "origin"
"""
CORS = f"""
[cors]
allow_origins = ["{APP}", "https://*.example.org"]
allow_methods = ["GET", "PUT", "DELETE"]
allow_headers = ["Content-Type", "X-Trace"]
max_age = "10m"
"""
ANY = '[cors]\nallow_origins = ["*"]\nallow_methods = ["*"]\nallow_headers = ["*", "X-Trace"]\n'
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
PREFIX = "access-control-"


def preflight(
    path: str = "/users/7", method: str = "PUT", headers: str = "", sent: str = APP, host: str = "a"
) -> bytes:
    lines = f"Origin: {sent}\r\nAccess-Control-Request-Method: {method}\r\n"
    lines += f"Access-Control-Request-Headers: {headers}\r\n" if headers else ""
    return f"OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()


def leave(answer: Answer) -> dict[str, str]:
    """What a preflight was told, without the prefix that all of it has."""
    pairs = ((name.lower(), value) for name, value in answer.headers.pairs())
    return {name.removeprefix(PREFIX): value for name, value in pairs if name.startswith(PREFIX)}


async def test_leave_says_who_may_ask_what_and_for_how_long(origin: Origin, gateway: Start):
    gw = await gateway(CORS + SERVICE + ROUTE, origin)
    answer = await gw.ask(preflight(headers="content-type,x-trace"))
    assert (answer.status, answer.body, answer.header("Vary")) == (204, b"", VARY)
    assert leave(answer) == {
        "allow-origin": APP, "allow-methods": "GET, PUT, DELETE", "allow-headers": "Content-Type, X-Trace",
        "max-age": "600",
    }  # fmt: skip
    assert answer.header("Content-Length") is None
    assert origin.seen == []


@pytest.mark.parametrize(
    ("changed", "let"),
    [
        ({"sent": "https://b.example.org"}, True), ({"sent": "https://evil.com"}, False), ({"sent": "null"}, False),
        ({"headers": "X-TRACE"}, True), ({"headers": "x-trace , content-type"}, True), ({"headers": ","}, True),
        ({"headers": "x-trace, x-other"}, False), ({"headers": "authorization"}, False), ({"headers": "*"}, False),
        ({"method": "GET"}, True),
    ],
)  # fmt: skip
async def test_what_is_not_listed_gets_no_leave(
    changed: dict[str, str], let: bool, origin: Origin, gateway: Start
):
    gw = await gateway(CORS + SERVICE + ROUTE, origin)
    answer = await gw.ask(preflight(**changed))
    assert (answer.status, answer.header("Vary"), bool(leave(answer))) == (204, VARY, let)
    assert origin.seen == []


async def test_methods_that_need_no_leave_are_never_refused_and_others_are(origin: Origin, gateway: Start):
    text = f'[cors]\nallow_origins = ["{APP}"]\nallow_methods = ["PUT"]\n'
    gw = await gateway(text + SERVICE + ROUTE.replace('methods = ["GET", "PUT"]\n', ""), origin)
    for method, let in {"GET": True, "HEAD": True, "POST": True, "PUT": True, "PATCH": False, "put": False}.items():
        assert bool(leave(await gw.ask(preflight(method=method)))) == let, method


async def test_star_of_methods_and_headers_stands_for_all_but_authorization(origin: Origin, gateway: Start):
    gw = await gateway(ANY + SERVICE + ROUTE, origin)
    answer = await gw.ask(preflight(headers="x-anything", sent="https://anybody"))
    assert (leave(answer)["allow-origin"], leave(answer)["allow-methods"]) == ("*", "*")
    assert leave(answer)["allow-headers"] == "*, X-Trace"
    assert leave(await gw.ask(preflight(headers="x-anything, authorization"))) == {}
    named = await gateway(ANY.replace('"X-Trace"', '"Authorization"') + SERVICE + ROUTE, origin)
    assert leave(await named.ask(preflight(headers="authorization, x")))["allow-headers"] == "*, Authorization"


async def test_with_credentials_leave_says_so(origin: Origin, gateway: Start):
    gw = await gateway(CORS + "allow_credentials = true\n" + SERVICE + ROUTE, origin)
    told = leave(await gw.ask(preflight()))
    assert (told["allow-origin"], told["allow-credentials"]) == (APP, "true")
    assert leave(await gw.ask(preflight(sent="https://evil.com"))) == {}


async def test_what_does_not_exist_is_told_as_to_anybody(origin: Origin, gateway: Start):
    gw = await gateway(CORS + SERVICE + ROUTE, origin)
    nowhere = await gw.ask(preflight("/nowhere"))
    assert (nowhere.status, nowhere.json()["code"]) == (404, "not_found")
    wrong = await gw.ask(preflight(method="DELETE"))
    assert (wrong.status, wrong.header("Allow")) == (405, "GET, HEAD, PUT")
    assert leave(wrong) == {"allow-origin": APP}
    assert origin.seen == []


@pytest.mark.parametrize(
    "raw",
    [
        b"OPTIONS /users/7 HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n\r\n",
        b"OPTIONS /users/7 HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
        b"GET /users/7 HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
    ],
)
async def test_what_is_no_preflight_reaches_the_service(raw: bytes, origin: Origin, gateway: Start):
    gw = await gateway(CORS + SERVICE + ROUTE.replace('methods = ["GET", "PUT"]\n', ""), origin)
    assert (await gw.ask(raw)).status == 200
    assert len(origin.seen) == 1


async def test_route_without_cors_gets_its_own_preflights(origin: Origin, gateway: Start):
    text = """
[[routes]]
path = "/mine/*"
methods = ["OPTIONS", "PUT"]
service = "origin"
cors = {}
[[routes]]
path = "/yours"
method = "PUT"
service = "origin"
[[routes]]
path = "/yours"
method = "OPTIONS"
service = "origin"
"""
    gw = await gateway(CORS + SERVICE + text, origin)
    assert (await gw.ask(preflight("/mine/x"))).status == 200
    assert (await gw.ask(preflight("/mine/x", "DELETE"))).status == 200
    assert [one.method for one in origin.seen] == [b"OPTIONS", b"OPTIONS"]
    assert leave(await gw.ask(preflight("/yours")))["allow-origin"] == APP
    assert (await gw.ask(preflight("/yours", "DELETE"))).status == 405
    assert len(origin.seen) == 2


async def test_gateway_without_cors_passes_preflights_on(origin: Origin, gateway: Start):
    gw = await gateway(SERVICE + ROUTE.replace('"PUT"]', '"OPTIONS"]'), origin)
    assert (await gw.ask(preflight())).status == 200
    assert gw.worker.server.bound.match == gw.worker.server.bound.snapshot.router.match


async def test_each_route_answers_for_itself_by_host_path_and_method(origin: Origin, gateway: Start):
    text = """
[[routes]]
path = "/x"
method = "PUT"
service = "origin"
cors = { allow_origins = ["https://put"], allow_methods = ["PUT"] }
[[routes]]
path = "/x"
method = "DELETE"
service = "origin"
cors = { allow_origins = ["https://delete"], allow_methods = ["DELETE"] }
[[routes]]
path = "/x"
host = "other.test"
service = "origin"
cors = { allow_origins = ["https://other"], allow_methods = ["*"] }
"""
    gw = await gateway(SERVICE + text, origin)

    async def allowed(sent: str, method: str, host: str = "a") -> bool:
        return bool(leave(await gw.ask(preflight("/x", method, sent=sent, host=host))))

    assert await allowed("https://put", "PUT")
    assert await allowed("https://delete", "DELETE")
    assert not await allowed("https://put", "DELETE")
    assert not await allowed("https://other", "PUT")
    assert await allowed("https://other", "PUT", "other.test")


async def test_header_conditions_cannot_be_known_and_count_as_met(origin: Origin, gateway: Start):
    text = f"""
[[routes]]
path = "/only"
method = "PUT"
headers = {{ X-Beta = "1" }}
service = "origin"
[[routes]]
path = "/:x/y"
method = "PUT"
headers = {{ X-Beta = "1" }}
service = "origin"
[[routes]]
path = "/a/z"
service = "origin"
[[routes]]
path = "/only/strict"
method = "PUT"
service = "origin"
cors = {{ allow_origins = ["{APP}"] }}
"""
    gw = await gateway(CORS + SERVICE + text, origin)
    assert leave(await gw.ask(preflight("/only")))["allow-origin"] == APP
    assert leave(await gw.ask(preflight("/a/y")))["allow-origin"] == APP
    assert leave(await gw.ask(preflight("/only/strict"))) == {}


async def test_preflight_comes_before_authentication_maintenance_and_limits(gateway: Start):
    text = """
[[routes]]
path = "/closed"
requires_auth = true
respond = {}
[[routes]]
path = "/shut"
maintenance = true
respond = {}
[[routes]]
path = "/few"
limit = { requests = 1, window = "60s" }
respond = {}
"""
    gw = await gateway(CORS + text)
    for path in ("/closed", "/shut", "/few", "/few", "/few"):
        answer = await gw.ask(preflight(path))
        assert (answer.status, leave(answer)["allow-origin"]) == (204, APP)
        assert answer.header("RateLimit") is None
    assert [(await gw.ask(b"GET /few HTTP/1.1\r\nHost: a\r\n\r\n")).status for _ in range(2)] == [200, 429]


async def test_preflight_that_an_address_rule_refuses_is_told_what_the_request_would_be(gateway: Start):
    text = '[[routes]]\npath = "/shy"\nrespond = {}\naddresses = { deny = ["127.0.0.0/8"] }\n'
    for cors, sent, told, vary in (
        (CORS, APP, {"allow-origin": APP}, ["Origin"]), (CORS, "https://evil.com", {}, ["Origin"]),
        (ANY, APP, {"allow-origin": "*"}, []),
    ):  # fmt: skip
        refused = await (await gateway(cors + text)).ask(preflight("/shy", sent=sent))
        assert (refused.status, leave(refused), refused.headers.named("Vary")) == (403, told, vary)
    gw = await gateway(CORS + text.replace("deny", "allow"))
    answer = await gw.ask(preflight("/shy"))
    assert (answer.status, "max-age" in leave(answer), answer.headers.named("Vary")) == (204, True, [VARY])


async def test_preflight_is_recorded_like_any_request_with_its_route_and_no_secret(gateway: Start):
    still = '[[routes]]\npath = "/still"\nrespond = {}\naccess_log = false\n'
    text = '[[routes]]\npath = "/reset/:token"\nrespond = {}\n' + still
    gw = await gateway(CORS + text)
    await gw.ask(preflight("/reset/hunter2"))
    await gw.ask(preflight("/still"))
    first, _ = gw.records
    assert (first.method, first.route, first.status) == ("OPTIONS", "/reset/:token", 204)
    assert (first.answered_by, first.service) == ("gateway", None)
    assert "hunter2" not in first.path
    hidden = [route for route in gw.worker.server.bound.routes if route.template == "/still"]
    assert [route.logged for route in hidden] == [False, False]


async def test_connection_goes_on_and_head_and_get_follow_a_preflight(origin: Origin, gateway: Start):
    gw = await gateway(CORS + SERVICE + ROUTE, origin)
    client = await gw.connect()
    assert (await client.ask(preflight())).status == 204
    assert (await client.ask(f"GET /users/7 HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n\r\n".encode())).status == 200
    assert (await client.ask(b"HEAD /users/7 HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200


async def test_encoded_slashes_are_refused_where_the_route_refuses_them(origin: Origin, gateway: Start):
    gw = await gateway(CORS + SERVICE + ROUTE, origin)
    assert (await gw.ask(preflight("/users/a%2Fb"))).json()["code"] == "ambiguous_path"
    passing = await gateway(CORS + SERVICE + ROUTE + 'encoded_slashes = "pass"\n', origin)
    assert leave(await passing.ask(preflight("/users/a%2Fb")))["allow-origin"] == APP


async def test_reload_changes_what_is_let_in(origin: Origin, gateway: Start):
    from gwproxy.config.load import loads
    from tests.support.running import with_listener

    gw = await gateway(CORS + SERVICE + ROUTE, origin)
    client = await gw.connect()
    for text, expected in ((SERVICE, 405), (CORS.replace(APP, "https://new") + SERVICE, 204)):
        await gw.worker.reload(loads(with_listener(text + ROUTE), environ={"ORIGIN": origin.url}))
        answer = await client.ask(preflight())
        assert (answer.status, leave(answer)) == (expected, {})
    assert leave(await client.ask(preflight(sent="https://new")))["allow-origin"] == "https://new"
