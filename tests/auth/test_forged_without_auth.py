"""Nobody tells a service who is calling but the gateway, where it knows of no caller either: no [auth.NAME] at all."""

from __future__ import annotations

import pytest

from gwproxy.cli.for_caller import prover_of
from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile
from tests.auth.attacking import Start, get
from tests.support.origin import Origin

IDENTITY = '[identity]\nform = "%s"\nalgorithm = "HS256"\nkey = "an internal secret of thirty-two bytes"\n'
ROUTES = """
[services.origin]
url = "${ORIGIN}"
[[routes]]
path = "/open"
service = "origin"
requires_auth = false
%s
[[routes]]
path = "/fixed"
respond = { status = 204 }
[[routes]]
path = "/known"
service = "origin"
requires_auth = true
"""
FORGED = ("X-Who: forged", "x_who: forged", "X-Whom: kept")


@pytest.mark.parametrize(
    ("header", "forged"),
    [
        ("X-Who", ("X-Who", "x-who", "x_who", "X.WHO", "xwho", "X-Who-")),
        ("Authorization", ("Authorization", "AUTHORIZATION", "Author_ization", "authorization.")),
    ],
)
async def test_forged_copies_of_the_header_reach_no_service(
    header: str, forged: tuple[str, ...], gateway: Start, origin: Origin
) -> None:
    gw = await gateway(IDENTITY % "jwt" + f'header = "{header}"\n' + ROUTES % "", origin=origin)
    lines = [f"{name}: forged" for name in forged]
    caller = await gw.connect()
    for fields in ((*lines, "X-Whom: kept"), (*lines, "X-Whom: kept"), ("X-Whom: kept", *lines, "A: b")):
        assert (await caller.ask(get("/open", *fields))).status == 200
        assert b"forged" not in origin.last.raw_head
        assert origin.last.header("x-whom") == "kept"


async def test_with_a_service_s_own_form_too_and_where_credentials_are_passed_on(
    gateway: Start, origin: Origin
) -> None:
    text = IDENTITY % "headers" + 'header = "X-Who"\n' + ROUTES % "forward_credentials = true"
    gw = await gateway(text.replace('url = "${ORIGIN}"', 'url = "${ORIGIN}"\nidentity = "jwt"'), origin=origin)
    assert (await gw.ask(get("/open", *FORGED, "Authorization: x"))).status == 200
    assert b"forged" not in origin.last.raw_head
    assert [origin.last.header(name) for name in ("x-whom", "authorization")] == ["kept", "x"]


async def test_a_header_that_tells_nobody_anything_is_the_caller_s_own(gateway: Start, origin: Origin) -> None:
    gw = await gateway(IDENTITY % "headers" + 'header = "X-Who"\n' + ROUTES % "", origin=origin)
    assert (await gw.ask(get("/open", "X-Who: mine"))).status == 200
    assert origin.last.header("x-who") == "mine"


async def test_other_routes_are_as_they_were(gateway: Start, origin: Origin) -> None:
    gw = await gateway(IDENTITY % "jwt" + 'header = "X-Who"\n' + ROUTES % "", origin=origin)
    assert (await gw.ask(get("/fixed", *FORGED))).status == 204
    answer = await gw.ask(get("/known", *FORGED))
    assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, ["Bearer"])
    assert origin.seen == []


def test_explain_takes_the_same_away():
    text = IDENTITY % "jwt" + 'header = "X-Who"\n' + ROUTES % ""
    snapshot = compile(loads(text, environ={"ORIGIN": "http://localhost:1"}))
    by_path = {route.template: prover_of(snapshot, route) for route in snapshot.routes}
    assert [path for path, prover in by_path.items() if prover is not None] == ["/open"]
