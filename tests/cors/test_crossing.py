"""CORS where routes have versions, and where they are for tenants: a preflight is answered as the request would be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]

APP, OTHER = "https://app.example.com", "https://other.example.com"
CORS = f'[cors]\nallow_origins = ["{APP}"]\nallow_methods = ["PUT"]\nallow_headers = ["X-API-Version", "X-Tenant-Id"]\n'
SERVICE = '[services.origin]\nurl = "${ORIGIN}"\n'
USERS = """
[[routes]]
path = "/api/users/:id"
methods = ["GET", "PUT"]
service = "origin"
[routes.versions.v1]
sunset = "2020-01-01"
[routes.versions.v2]
"""
REST = f"""
[[routes]]
path = "/api/*"
service = "origin"
cors = {{ allow_origins = ["{OTHER}"], allow_methods = ["*"] }}
"""
GONE = "[versioning]\nenforce_sunset = true\n"
HEADER_FIRST = '[versioning]\nfrom = ["header:X-API-Version", "path"]\n'
VERSIONED = CORS + SERVICE + USERS


def preflight(path: str, method: str = "GET", *, sent: str = APP, host: str = "a", headers: str = "") -> bytes:
    lines = f"Origin: {sent}\r\nAccess-Control-Request-Method: {method}\r\n"
    lines += f"Access-Control-Request-Headers: {headers}\r\n" if headers else ""
    return f"OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()


def request(path: str, method: str = "GET", *fields: str, sent: str = APP, host: str = "a") -> bytes:
    lines = "".join(f"{field}\r\n" for field in (f"Origin: {sent}", *fields))
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}Content-Length: 0\r\n\r\n".encode()


def readable(answer: Answer) -> str | None:
    """The origin whose pages may read an answer, or ask."""
    return answer.header("Access-Control-Allow-Origin")


def leave(answer: Answer) -> str | None:
    """The origin whose pages a preflight gives leave to ask."""
    assert answer.status == 204
    return readable(answer)


def refusal(answer: Answer) -> tuple[int, str, Any]:
    told = answer.json()
    return answer.status, told["code"], told.get("supported")


@pytest.mark.parametrize("path", ["/api/users/7", "/api/v1/users/7", "/api/v2/users/7"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("text", [VERSIONED + REST, HEADER_FIRST + VERSIONED + REST])
async def test_a_route_answers_the_preflights_of_all_its_versions(
    path: str, method: str, text: str, origin: Origin, gateway: Start
):
    gw = await gateway(text, origin)
    assert leave(await gw.ask(preflight(path, method))) == APP
    assert leave(await gw.ask(preflight(path, method, sent=OTHER))) is None
    assert (origin.seen, gw.records[-1].route) == ([], "/api/users/:id")
    assert (await gw.ask(request(path, method))).status == 200


@pytest.mark.parametrize("rest", ["", REST, REST.replace("/api/*", "/api/:team/users/:id"), REST.replace("/api", "")])
@pytest.mark.parametrize("sent", [APP, OTHER])
async def test_a_version_that_there_is_not_is_refused_as_the_request_would_be(
    rest: str, sent: str, origin: Origin, gateway: Start
):
    gw = await gateway(VERSIONED + rest, origin)
    for raw in (preflight("/api/v9/users/7", sent=sent), request("/api/v9/users/7", sent=sent)):
        answer = await gw.ask(raw)
        assert refusal(answer) == (400, "unsupported_version", ["v1", "v2"])
        assert readable(answer) == (APP if sent == APP else None)
        assert gw.records[-1].route == "/api/users/:id"
    assert origin.seen == []


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/v9/users/7", "GET"), ("/api/v9/users/7", "DELETE"), ("/api/v1/users/7", "DELETE"),
        ("/api/v9/others", "GET"), ("/api/v9", "GET"), ("/v9/api/users/7", "GET"), ("/api/7/users/7", "GET"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rest", ["", REST])
async def test_preflight_fails_where_the_request_does_and_in_the_same_way(
    path: str, method: str, rest: str, origin: Origin, gateway: Start
):
    gw = await gateway(VERSIONED + rest, origin)
    asked, answer = await gw.ask(preflight(path, method)), await gw.ask(request(path, method))
    assert asked.status == (204 if answer.status == 200 else answer.status)
    assert readable(asked) == readable(answer)
    assert asked.header("Allow") == answer.header("Allow")
    if answer.status != 200:
        assert refusal(asked) == refusal(answer)


async def test_a_version_in_a_header_is_not_known_yet_and_counts_as_one_that_there_is(origin: Origin, gateway: Start):
    gw = await gateway(HEADER_FIRST + VERSIONED + REST, origin)
    for path in ("/api/v9/users/7", "/api/users/7"):
        assert leave(await gw.ask(preflight(path, headers="x-api-version"))) == APP
        assert (await gw.ask(request(path, "GET", "X-API-Version: v1"))).status == 200
    wrong = await gw.ask(request("/api/v9/users/7"))
    assert (refusal(wrong), readable(wrong)) == ((400, "unsupported_version", ["v1", "v2"]), APP)


async def test_the_header_that_names_the_version_takes_leave_like_any(origin: Origin, gateway: Start):
    gw = await gateway(VERSIONED.replace('"X-API-Version", ', ""), origin)
    answer = await gw.ask(preflight("/api/users/7", headers="x-api-version"))
    assert (answer.status, readable(answer)) == (204, None)


async def test_a_version_that_is_gone_gives_leave_to_read_that_it_is(origin: Origin, gateway: Start):
    gw = await gateway(GONE + VERSIONED, origin)
    assert leave(await gw.ask(preflight("/api/v1/users/7"))) == APP
    answer = await gw.ask(request("/api/v1/users/7"))
    assert (refusal(answer), readable(answer)) == ((410, "version_gone", ["v2"]), APP)


async def test_where_the_route_has_no_cors_its_preflights_are_requests_in_every_version(
    origin: Origin, gateway: Start
):
    own = USERS.replace('service = "origin"', 'service = "origin"\ncors = {}').replace('["GET", "PUT"]', '["*"]')
    gw = await gateway(CORS + SERVICE + own + REST, origin)
    for path in ("/api/users/7", "/api/v1/users/7"):
        assert (await gw.ask(preflight(path))).status == 200
    assert [seen.method for seen in origin.seen] == [b"OPTIONS", b"OPTIONS"]
    answer = await gw.ask(preflight("/api/v9/users/7"))
    assert (refusal(answer), readable(answer)) == ((400, "unsupported_version", ["v1", "v2"]), None)


async def test_where_nothing_takes_the_method_the_version_decides_whose_options_it_is(origin: Origin, gateway: Start):
    own = USERS.replace('service = "origin"', 'service = "origin"\ncors = {}').replace('"PUT"', '"OPTIONS"')
    rest = REST.replace('service = "origin"', 'service = "origin"\nmethod = "OPTIONS"')
    gw = await gateway(CORS + SERVICE + own + rest, origin)
    assert (await gw.ask(preflight("/api/v9/others", "DELETE"))).status == 405
    answer = await gw.ask(preflight("/api/v9/users/7", "DELETE"))
    assert refusal(answer) == (400, "unsupported_version", ["v1", "v2"])


async def test_address_rules_come_before_the_refusal_of_a_version(origin: Origin, gateway: Start):
    gw = await gateway(VERSIONED + '[addresses]\ndeny = ["127.0.0.0/8"]\n', origin)
    answer = await gw.ask(preflight("/api/v9/users/7"))
    assert refusal(answer) == (403, "address_denied", None)


def test_explain_tells_a_preflight_in_an_unknown_version_as_the_gateway_answers_it():
    from gwproxy.cli.explanation import explanation
    from gwproxy.config.load import loads
    from gwproxy.snapshot.compile import compile

    loaded = loads(VERSIONED + REST, environ={"ORIGIN": "http://a"})
    told = explanation(loaded, compile(loaded), preflight("/api/v9/users/7"))
    assert (told.status, told.code, told.route["key"]) == (400, "unsupported_version", "routes[0]")
    told = explanation(loaded, compile(loaded), preflight("/api/v1/users/7", sent=OTHER))
    assert (told.status, told.route["key"]) == (204, "routes[0]")
    assert told.why == f"cors.allow_origins lacks {OTHER}"


TENANTS = (
    CORS
    + SERVICE
    + """
[tenancy]
from = ["header:X-Tenant-Id", "subdomain"]
base_domains = ["example.com"]
[tenants.acme]
[tenants.gone]
active = false
[[routes]]
path = "/orders"
service = "origin"
[[routes]]
path = "/partners"
host = "partners.example.com"
service = "origin"
tenant = "ignored"
cors = { allow_origins = ["https://other.example.com"] }
"""
)


@pytest.mark.parametrize("host", ["a", "acme.example.com", "gone.example.com", "nobody.example.com", "www.example.com"])
async def test_preflight_needs_no_tenant_and_finds_none(host: str, origin: Origin, gateway: Start):
    gw = await gateway(TENANTS, origin)
    answer = await gw.ask(preflight("/orders", "PUT", host=host, headers="x-tenant-id"))
    assert (answer.status, readable(answer), origin.seen) == (204, APP, [])


@pytest.mark.parametrize(
    ("fields", "host", "status"),
    [
        ((), "a", 400), (("X-Tenant-Id: nobody",), "a", 403), (("X-Tenant-Id: gone",), "a", 403),
        (("X-Tenant-Id: acme",), "a", 200), ((), "acme.example.com", 200), ((), "gone.example.com", 403),
    ],
)  # fmt: skip
async def test_page_may_read_why_its_tenant_is_refused(
    fields: tuple[str, ...], host: str, status: int, origin: Origin, gateway: Start
):
    gw = await gateway(TENANTS, origin)
    answer = await gw.ask(request("/orders", "PUT", *fields, host=host))
    assert (answer.status, readable(answer)) == (status, APP)
    assert readable(await gw.ask(request("/orders", "PUT", *fields, sent=OTHER, host=host))) is None


async def test_the_host_of_a_tenant_decides_which_route_answers_as_for_the_request(origin: Origin, gateway: Start):
    gw = await gateway(TENANTS, origin)
    host = "partners.example.com"
    assert leave(await gw.ask(preflight("/partners", sent=OTHER, host=host))) == OTHER
    assert leave(await gw.ask(preflight("/partners", host=host))) is None
    assert (await gw.ask(preflight("/partners", host="acme.example.com"))).status == 404


async def test_a_tenant_of_the_path_stands_beside_a_version(origin: Origin, gateway: Start):
    text = VERSIONED.replace("/api/users/:id", "/api/:tenant/users") + '[tenancy]\nfrom = ["path"]\n[tenants.acme]\n'
    gw = await gateway(text, origin)
    for tenant, status in {"acme": 200, "nobody": 403}.items():
        for path in (f"/api/{tenant}/users", f"/api/v1/{tenant}/users"):
            assert leave(await gw.ask(preflight(path))) == APP
            answer = await gw.ask(request(path))
            assert (answer.status, readable(answer)) == (status, APP)
        answer = await gw.ask(preflight(f"/api/v9/{tenant}/users"))
        assert refusal(answer) == (400, "unsupported_version", ["v1", "v2"])
