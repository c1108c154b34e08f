"""Spellings of a protected path, beside a route that is open to everybody: none gets to the service unproved."""

from __future__ import annotations

import re
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest

from tests.auth.attacking import Start, bearer, get, jwt
from tests.support.origin import Origin, Request
from tests.support.tokens import token

ROUTES = """
[services.origin]
url = "${ORIGIN}"
[[routes]]
path = "/*"
service = "origin"
requires_auth = false
[[routes]]
path = "/admin/*"
service = "origin"
requires_auth = true
"""

SLASHES = [
    "/", "//", "///", "/./", "/.//", "/%2e/", "/%2E/", "/;/", "/;x/", "/x/../", "/x/..;/", "/x/%2e%2e/", "/x/.%2e/",
    "/open/..;a=b/", "/%2f", "%2f", "/%5c", "\\", "/\\", "/..\\", "/%2e%2e%2f", "/.;/", "/%00/", "/%09/", "/ /",
]  # fmt: skip
ADMIN = [
    "admin", "%61dmin", "%61%64%6d%69%6e", "%61%64%6D%69%6E", "admin;x", "admin;x=y", "admin%3bx", "admi%6e;", ";admin",
    "admin%2e", "admin.", "admin%20", "admin%00", "admin/.", "x/../admin", "admin%23",
]  # fmt: skip
BEHIND = [
    "/secret", "//secret", "/./secret", "/;/secret", "/", "", "?x=/open", "/secret/../secret", "/secret;x",
    "%2fsecret", "/secret/", "#/open", "/..;/admin/secret",
]  # fmt: skip


def spelt() -> list[str]:
    """All of them."""
    return list(dict.fromkeys("".join(parts) for parts in product(SLASHES, ADMIN, BEHIND)))


def seen_as(request: Request) -> bytes:
    """The path as the most generous service reads it: decoded, parameters cut off, slashes and dots resolved."""
    path = unquote_to_bytes(request.target.partition(b"?")[0]).replace(b"\\", b"/")
    kept: list[bytes] = []
    for segment in re.sub(rb";[^/]*", b"", path).split(b"/"):
        if segment == b"..":
            kept[-1:] = []
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept) + b"/"


def test_there_are_a_thousand_of_them() -> None:
    assert len(spelt()) >= 1000


@pytest.mark.parametrize("more", ["", '[gateway]\ntrailing_slash = "ignore"\n', "pass"], ids=["usual", "ignored",
"pass"])
async def test_no_spelling_reaches_the_protected_path_unproved(more: str, gateway: Start, origin: Origin) -> None:
    routes = ROUTES
    if more == "pass":
        more, routes = "", ROUTES.replace("requires_auth", 'encoded_slashes = "pass"\nrequires_auth')
    gw = await gateway(more + jwt() + routes, origin=origin)
    caller = await gw.connect()
    answers: dict[int, int] = {}
    for path in spelt():
        for raw in (get(path), get(f"http://a{path}")):
            await caller.send(raw)
            answer = await caller.read_answer()
            assert answer is not None
            answers[answer.status] = answers.get(answer.status, 0) + 1
            if answer.will_close():
                caller.close()
                caller = await gw.connect()
    reached = [sent.target for sent in origin.seen if seen_as(sent).startswith(b"/admin/")]
    assert reached == []
    # Some were refused for what they are, some for who did not ask, and some are other paths indeed.
    assert min(answers.get(status, 0) for status in (200, 400, 401)) > 50
    assert set(answers) <= {200, 400, 401}


@pytest.mark.parametrize("path", ["/admin/secret", "/%61dmin/secret", "/admin", "/admin/", "/admin//secret"])
async def test_who_has_proved_who_he_is_gets_there_byte_for_byte(path: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    assert (await gw.ask(get(path, bearer(token())))).status == 200
    assert origin.last.target.decode() == path


async def test_what_was_judged_is_what_is_sent(gateway: Start, origin: Origin) -> None:
    """Where the service's path is another: a rewrite and a cut prefix make nothing of dots and slashes either."""
    routes = ROUTES.replace('path = "/*"', 'path = "/open/*"\nservice_path = "/pages/*"').replace(
        'path = "/admin/*"', 'path = "/v1/admin/*"\nstrip_prefix = "/v1"'
    )
    gw = await gateway(jwt() + routes, origin=origin)
    for start in ("/open", "/v1", "/open/x"):
        caller = await gw.connect()
        for path in spelt()[::7]:
            answer = await caller.ask(get(start + path))
            if answer.will_close():
                caller = await gw.connect()
    assert [sent.target for sent in origin.seen if seen_as(sent).startswith(b"/admin/")] == []
    assert len(origin.seen) > 20


OTHER_CASE = ["ADMIN", "Admin", "aDMIN", "%41dmin", "admi%4E", "%41%44%4D%49%4E"]


@pytest.mark.parametrize("name", OTHER_CASE)
async def test_another_case_is_another_path_and_open_as_that_is(name: str, gateway: Start, origin: Origin) -> None:
    """What a service makes of it cannot be known (docs/routing.md): one that ignores case is protected as below."""
    gw = await gateway(jwt() + ROUTES, origin=origin)
    assert (await gw.ask(get(f"/{name}/secret"))).status == 200
    assert origin.last.target.decode() == f"/{name}/secret"


async def test_rules_on_every_path_hold_in_any_case(gateway: Start, origin: Origin) -> None:
    """Rules on `/*`, and open what is open, as docs/routing.md says: no service that ignores case is fooled."""
    routes = ROUTES.replace("requires_auth = false", "requires_auth = true").replace(
        'path = "/admin/*"\nservice = "origin"\nrequires_auth = true',
        'path = "/open/*"\nservice = "origin"\nrequires_auth = false',
    )
    gw = await gateway(jwt() + routes, origin=origin)
    for path in (f"/{name}{behind}" for name in OTHER_CASE for behind in BEHIND):
        assert (await gw.ask(get(path))).status in (400, 401), path
    for before, tail, name in product(("open", "OPEN"), ("..", "..;x", "%2e%2e"), OTHER_CASE):
        assert (await gw.ask(get(f"/{before}/{tail}/{name}"))).status == 400, (before, tail, name)
    assert origin.seen == []
    assert (await gw.ask(get("/open/ADMIN"))).status == 200
    assert (await gw.ask(get("/OPEN/x"))).status == 401
