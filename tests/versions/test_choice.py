"""Which version a request gets, over real sockets: by path, header and Accept, in the order of the file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.versions.asking import SERVICES, get, sources, version

Start = Callable[..., Awaitable[Gateway]]

USERS = """
[[routes]]
path = "/api/users/:id"
method = "GET"
[routes.versions.v1]
service = "old"
service_path = "/:id"
[routes.versions.v2]
service = "new"
[routes.versions.v10]
service = "new"
service_path = "/ten/:id"
"""
PLAIN = """
[[routes]]
path = "/plain"
service = "old"
"""
FILE = SERVICES + USERS + PLAIN


OLD, NEW, TEN = "/old/7", "/new/api/users/7", "/new/ten/7"


@pytest.mark.parametrize(
    ("path", "fields", "name", "target"),
    [
        ("/api/users/7", (), "v10", TEN),
        ("/api/v1/users/7", (), "v1", OLD),
        ("/api/v2/users/7", (), "v2", NEW),
        ("/api/users/7", ("X-API-Version: v1",), "v1", OLD),
        ("/api/users/7", ("x-api-version: v2",), "v2", NEW),
        ("/api/users/7", ("X-API-Version:",), "v10", TEN),
        ("/api/users/7", ("Accept: application/vnd.api.v1+json",), "v1", OLD),
        ("/api/users/7", ("Accept: text/html, Application/VND.API.v2+JSON;charset=utf-8",), "v2", NEW),
        ("/api/users/7", ("Accept: application/vnd.api.users+json, */*",), "v10", TEN),
        # Of two wishes the one that is liked better, and of those the one that there is.
        ("/api/users/7", ("Accept: application/vnd.api.v1+json;q=0.1, application/vnd.api.v2+json",), "v2", NEW),
        ("/api/users/7", ("Accept: application/vnd.api.v9+json, application/vnd.api.v1+json;q=0.2",), "v1", OLD),
        ("/api/users/7", ("Accept: application/vnd.api.v2+json;q=0, application/vnd.api.v1+json",), "v1", OLD),
        # Sources that contradict each other: the first in order.
        ("/api/v1/users/7", ("X-API-Version: v2", "Accept: application/vnd.api.v10+json"), "v1", OLD),
        ("/api/users/7", ("X-API-Version: v2", "Accept: application/vnd.api.v1+json"), "v2", NEW),
    ],
)  # fmt: skip
async def test_version_is_the_one_that_the_first_source_says(
    origin: Origin, gateway: Start, path: str, fields: tuple[str, ...], name: str, target: str
):
    gw = await gateway(FILE, origin)
    answer = await gw.ask(get(path, *fields))
    assert (answer.status, version(answer)) == (200, name)
    assert origin.last.target.decode() == target
    assert origin.last.headers.named("X-API-Version") == [name]
    assert gw.records[-1].route == "/api/users/:id"


@pytest.mark.parametrize(
    ("path", "fields", "name", "target"),
    [
        ("/api/v1/users/7", ("X-API-Version: v2",), "v2", NEW),
        ("/api/v1/users/7", (), "v1", OLD),
        ("/api/v9/users/7", ("X-API-Version: v2",), "v2", NEW),
        ("/api/users/7", (), "v10", TEN),
    ],
)
async def test_a_header_that_is_asked_before_the_path_goes_before_it(
    origin: Origin, gateway: Start, path: str, fields: tuple[str, ...], name: str, target: str
):
    gw = await gateway(sources("header:X-API-Version", "path") + FILE, origin)
    answer = await gw.ask(get(path, *fields))
    assert (answer.status, version(answer)) == (200, name)
    assert origin.last.target.decode() == target
    assert answer.headers.named("Vary") == ["X-API-Version"]


@pytest.mark.parametrize(
    ("path", "fields", "detail"),
    [
        ("/api/v9/users/7", (), "API version v9 not supported"),
        ("/api/V1/users/7", (), "API version V1 not supported"),
        ("/api/v2.1/users/7", (), "API version v2.1 not supported"),
        ("/api/%769/users/7", (), "API version not supported"),
        ("/api/users/7", ("X-API-Version: v3",), "API version v3 not supported"),
        ("/api/users/7", ("X-API-Version: 2",), "API version 2 not supported"),
        ("/api/users/7", ("X-API-Version: <b>",), "API version not supported"),
        ("/api/users/7", ("X-API-Version: " + "9" * 40,), "API version not supported"),
        ("/api/users/7", ("X-API-Version: v1", "X-API-Version: v2"), "API version not supported"),
        ("/api/users/7", ("Accept: application/vnd.api.v3+json",), "API version v3 not supported"),
    ],
)
async def test_unknown_version_is_refused_by_name_and_nobody_is_asked(
    origin: Origin, gateway: Start, path: str, fields: tuple[str, ...], detail: str
):
    gw = await gateway(FILE + '[[routes]]\npath = "/*"\nservice = "old"', origin)
    answer = await gw.ask(get(path, *fields))
    told = answer.json()
    assert (answer.status, told["code"], told["detail"]) == (400, "unsupported_version", detail)
    assert told["supported"] == ["v1", "v2", "v10"]
    assert version(answer) is None
    assert (origin.seen, gw.records[-1].route) == ([], "/api/users/:id")


@pytest.mark.parametrize("path", ["/api/victor/users/7", "/api/7/users/7", "/api/v9/others", "/v1/users/7", "/api/v9"])
async def test_what_is_no_version_of_a_route_is_not_found(origin: Origin, gateway: Start, path: str):
    gw = await gateway(FILE, origin)
    answer = await gw.ask(get(path))
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_another_method_is_refused_with_those_of_the_version(origin: Origin, gateway: Start):
    first = USERS[USERS.index("[routes.versions.v1]") : USERS.index("[routes.versions.v2]")]
    post = USERS.replace('"GET"', '"POST"').replace(first, "")
    gw = await gateway(FILE + post, origin)
    assert (await gw.ask(get("/api/v2/users/7", method="DELETE"))).header("Allow") == "GET, HEAD, POST"
    refused = await gw.ask(get("/api/v1/users/7", method="POST"))
    assert (refused.status, refused.json()["supported"]) == (400, ["v2", "v10"])
    assert (await gw.ask(get("/api/v2/users/7", method="POST"))).status == 200
    assert (await gw.ask(get("/api/v1/users/7", method="HEAD"))).status == 200


async def test_a_param_gives_way_to_a_version_that_there_is_not_but_text_does_not(origin: Origin, gateway: Start):
    rest = '[[routes]]\npath = "/api/:team/users/:id"\nservice = "old"\n'
    rest += '[[routes]]\npath = "/api/v8/*"\nservice = "new"\n'
    gw = await gateway(FILE + rest, origin)
    assert (await gw.ask(get("/api/v9/users/7"))).status == 400
    assert (await gw.ask(get("/api/red/users/7"))).status == 200
    assert (await gw.ask(get("/api/v8/users/7"))).status == 200
    assert [seen.target for seen in origin.seen] == [b"/old/api/red/users/7", b"/new/api/v8/users/7"]


async def test_a_route_without_versions_ignores_the_header_and_passes_it_on(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    answer = await gw.ask(get("/plain", "X-API-Version: v7"))
    assert (answer.status, version(answer), answer.header("Vary")) == (200, None, None)
    assert origin.last.header("X-API-Version") == "v7"


async def test_service_is_told_by_the_gateway_alone(origin: Origin, gateway: Start):
    gw = await gateway(sources("path", "header:Api-Version", "header:X-API-Version") + FILE, origin)
    spelt = ("X-API-Version: v2", "x_api.version: v3", "API-VERSION: v10")
    fields = (*spelt, "X-Api-Versions: mine", "a-x-api-version: v2")
    await gw.ask(get("/api/v1/users/7", *fields))
    head = origin.last.raw_head.decode().lower().split("\r\n")
    assert sorted(line for line in head if "version" in line) == [
        "a-x-api-version: v2", "api-version: v1", "x-api-version: v1", "x-api-versions: mine",
    ]  # fmt: skip


async def test_nominating_the_header_takes_it_from_the_caller_not_from_the_service(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    await gw.ask(get("/api/users/7", "X-API-Version: v1", "Connection: X-API-Version"))
    assert origin.last.headers.named("X-API-Version") == ["v10"]


async def test_bodies_reach_the_version_that_they_are_for(origin: Origin, gateway: Start):
    gw = await gateway(FILE.replace('method = "GET"', 'method = "POST"'), origin)
    head = "POST /api/v1/users/7?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    assert (await gw.ask(head.encode() + b"hello")).status == 200
    assert (origin.last.target, origin.last.body) == (b"/old/7?x=1", b"hello")


async def test_what_services_say_of_the_version_is_replaced_and_told_once(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    origin.answer(b"HTTP/1.1 200 OK\r\nx-api-version: 7\r\nSunset: theirs\r\nVary: Cookie\r\nContent-Length: 0\r\n\r\n")
    answer = await gw.ask(get("/api/users/7"))
    assert answer.headers.named("X-API-Version") == ["v10"]
    assert answer.headers.named("Sunset") == ["theirs"]
    assert answer.headers.named("Vary") == ["Cookie", "X-API-Version, Accept"]
    assert (await gw.ask(get("/api/v1/users/7"))).headers.named("Vary") == ["Cookie"]


@pytest.mark.parametrize(
    ("rest", "name"), [('default = "v2"', "v2"), ('default = "v1"', "v1"), ("", "v10")]
)
async def test_default_is_the_files_or_the_latest(origin: Origin, gateway: Start, rest: str, name: str):
    others = '[[routes]]\npath = "/api/others"\nservice = "old"\n[routes.versions.v3]\n[routes.versions.v4]\n'
    gw = await gateway(sources("path", rest=rest) + FILE + others, origin)
    answer = await gw.ask(get("/api/users/7", "X-API-Version: v1"))
    assert (version(answer), answer.header("Vary")) == (name, None)
    assert version(await gw.ask(get("/api/others"))) == "v4"


async def test_prefix_and_paths_are_the_files_own(origin: Origin, gateway: Start):
    routes = """
[[routes]]
path = "/files/:kind/*"
service = "new"
strip_prefix = "/files"
[routes.versions.v1]
[routes.versions.v2]
service_path = "/:kind/two/*"
[[routes]]
path = "/"
service = "old"
[routes.versions.v1]
"""
    gw = await gateway(sources("path", rest='path_prefix = "/"') + SERVICES + routes, origin)
    for path in ("/v1/files/a/b%20c/d", "/v2/files/a/b%20c/d", "/files/a/", "/v1/", "/", "/v1/files/a"):
        assert (await gw.ask(get(path))).status == 200
    assert [seen.target.decode() for seen in origin.seen] == [
        "/new/a/b%20c/d", "/new/a/two/b%20c/d", "/new/a/two/", "/old/", "/old/", "/new/a",
    ]  # fmt: skip
    assert (await gw.ask(get("/v3/files/a/b"))).status == 400


async def test_limits_of_the_route_count_all_versions_together(origin: Origin, gateway: Start):
    limited = FILE.replace('method = "GET"', 'method = "GET"\nlimit = { requests = 2, window = "60s" }')
    gw = await gateway(limited, origin)
    statuses = [(await gw.ask(get(f"/api/{name}/users/7"))).status for name in ("v9", "v1", "v2", "v10")]
    assert statuses == [400, 200, 200, 429]
    assert version(await gw.ask(get("/api/v1/users/7"))) == "v1"


async def test_a_version_has_limits_and_timeouts_of_its_own(origin: Origin, gateway: Start):
    own = """
[services.old.rate_limits.few]
requests = 1
window = "60s"
""" + USERS.replace('service_path = "/:id"', 'service_path = "/:id"\nrate_limit = "few"', 1)
    gw = await gateway(SERVICES + own, origin)
    assert [(await gw.ask(get("/api/v1/users/7"))).status for _ in range(2)] == [200, 429]
    assert (await gw.ask(get("/api/v2/users/7"))).status == 200


async def test_secrets_in_the_path_stay_hidden_beside_a_version(origin: Origin, gateway: Start):
    route = '[[routes]]\npath = "/api/:token/x"\nservice = "old"\n[routes.versions.v1]\n'
    gw = await gateway(SERVICES + route, origin)
    for path in ("/api/v1/s3cret/x", "/api/v2/s3cret/x", "/api/s3cret/x"):
        await gw.ask(get(path))
    assert not any("s3cret" in record.path for record in gw.records)
    assert [record.path.startswith("/api/v") for record in gw.records] == [True, True, False]


async def test_a_file_without_versions_has_the_routers_own_match(origin: Origin, gateway: Start):
    gw = await gateway(SERVICES + PLAIN, origin)
    bound = gw.worker.server.bound
    assert bound.match == bound.snapshot.router.match
