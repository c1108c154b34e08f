"""What a file says of asking somebody else: which headers of the answer count, for how long, and what callers hear."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.auth.attacking import ROUTES, Now, Start, get
from tests.support.origin import Origin
from tests.support.tokens import NOW

PORTAL = '[auth.portal]\ntype = "forward"\nurl = "${JUDGE}"\nsend = ["X-Portal"]\n'
TIERS = '[tiers.pro]\nrequests = 1000\nwindow = "60s"\n[tiers.basic]\nrequests = 1000\nwindow = "60s"\n'
DEFAULT = '[auth]\ndefault_tier = "basic"\n'
ASKS = "X-Portal: p"


def says(status: int, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: 0\r\n\r\n".encode()


@pytest.fixture
async def judge(level: object) -> AsyncIterator[Origin]:
    """Somebody who judges."""
    service = Origin()
    service.answer(says(200, "X-Auth-User: u-7"))
    await service.start()
    yield service
    await service.stop()


NAMES = {"id": "Remote-User", "role": "Remote-Groups", "permissions": "Remote-May", "tier": "Remote-Plan",
    "tenant": "Remote-Firm"}  # fmt: skip
OF_DEFAULT = {"id": "X-Auth-User", "role": "X-Auth-Role", "permissions": "X-Auth-Permissions", "tier": "X-Auth-Tier",
    "tenant": "X-Auth-Tenant"}  # fmt: skip
SAID = {"id": "u-7", "role": "clerk", "permissions": "orders:read", "tier": "pro", "tenant": "acme"}
SOME = {"id": "Remote-User", "tier": "Remote-Plan"}


@pytest.mark.parametrize("written", [NAMES, {}, SOME], ids=["all", "none", "some"])
async def test_the_answer_s_headers_are_those_that_the_file_names(
    written: dict[str, str], gateway: Start, origin: Origin, judge: Origin
) -> None:
    """And those that it leaves out are the usual ones."""
    identity = ", ".join(f'{name} = "{header}"' for name, header in written.items())
    route = '[[routes]]\npath = "/orders"\nservice = "origin"\npermissions = ["orders:read"]\n'
    text = DEFAULT + PORTAL + f"identity = {{ {identity} }}\n" + TIERS + ROUTES + route
    gw = await gateway(text, origin=origin, judge=judge.url)
    heard = {**OF_DEFAULT, **written}
    others = [f"{name}: other" for name in {*NAMES.values(), *OF_DEFAULT.values()} - set(heard.values())]
    judge.answer(says(200, *others, *(f"{header}: {SAID[name]}" for name, header in heard.items())))
    assert (await gw.ask(get("/orders", ASKS))).status == 200
    told = [origin.last.header(name) for name in ("x-user-id", "x-user-role", "x-user-tier", "x-tenant-id")]
    assert told == ["u-7", "clerk", "pro", "acme"]
    judge.answer(says(200, *others))
    assert (await gw.ask(get("/orders", ASKS))).status == 503


async def test_www_authenticate_names_the_scheme_of_the_file(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await gateway(PORTAL + 'scheme = "Portal"\n' + ROUTES, origin=origin, judge=judge.url)
    judge.answer(says(401))
    for fields in ((), (ASKS,)):
        answer = await gw.ask(get("/known", *fields))
        assert (answer.status, answer.headers.named("WWW-Authenticate")) == (401, ['Portal realm="gwproxy"'])


async def test_a_judgement_is_kept_as_long_as_the_file_says_and_no_longer(
    gateway: Start, origin: Origin, judge: Origin
) -> None:
    gw = await gateway(PORTAL + 'cache = "10s"\n' + ROUTES, origin=origin, judge=judge.url)
    clock = Now(gw, NOW)
    caller = await gw.connect()
    for later, asked in ((0.0, 1), (9.9, 1), (10.0, 2), (19.9, 2), (20.1, 3)):
        clock.now = NOW + later
        for one in (caller, gw):
            assert (await one.ask(get("/known", ASKS))).status == 200
        assert len(judge.seen) == asked, later
    judge.answer(says(401))
    assert (await caller.ask(get("/known", ASKS))).status == 200
    clock.now = NOW + 30.1
    assert (await caller.ask(get("/known", ASKS))).status == 401


async def test_who_may_not_is_forbidden_on_public_routes_too(gateway: Start, origin: Origin, judge: Origin) -> None:
    gw = await gateway(PORTAL + ROUTES, origin=origin, judge=judge.url)
    caller = await gw.connect()
    judge.answer(says(403))
    for _ in range(2):
        answer = await caller.ask(get("/open", ASKS))
        assert (answer.status, answer.json()["code"]) == (403, "forbidden")
    assert origin.seen == []
    for status in (401, 500):
        judge.answer(says(status))
        assert (await caller.ask(get("/open", ASKS))).status == 200
        assert origin.last.header("x-user-id") is None
