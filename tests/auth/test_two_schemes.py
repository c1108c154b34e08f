"""Two lines of Authorization with a scheme each are two credentials, though they stand in one header."""

from __future__ import annotations

import base64

import pytest

from gwproxy.auth.passwords import hashed
from tests.auth.attacking import KEY, ROUTES, Start, api_keys, bearer, get, jwt, status
from tests.support.origin import Origin
from tests.support.tokens import token

BASIC = f"""
[auth.staff]
type = "basic"
[[auth.staff.users]]
name = "greta"
password = "{hashed("right", p=1).written()}"
id = "u-17"
"""
TOKEN = bearer(token({"sub": "t"}))


def password(word: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"greta:{word}".encode()).decode()


@pytest.mark.parametrize("methods", [jwt() + BASIC, BASIC + jwt()], ids=["token first", "password first"])
async def test_two_schemes_in_one_request_prove_nothing(methods: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(methods + ROUTES, origin=origin)
    for one, other in ((password("right"), TOKEN), (password("wrong"), TOKEN), (password("right"), bearer("x"))):
        for fields in ((one, other), (other, "Accept: a/b", one)):
            assert await status(gw, *fields) == 401
            assert gw.records[-1].cause == "two credentials in one request"
            assert await status(gw, *fields, path="/open") == 200
            sent = origin.last
            assert (sent.header("x-user-id"), sent.header("authorization")) == (None, None)
    for one, who in ((password("right"), "u-17"), (TOKEN, "t")):
        assert await status(gw, one) == 200
        assert origin.last.header("x-user-id") == who


async def test_a_scheme_that_nobody_takes_is_no_credential(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + BASIC + ROUTES, origin=origin)
    assert await status(gw, TOKEN, "Authorization: Other x") == 200
    assert (origin.last.header("x-user-id"), origin.last.header("authorization")) == ("t", "Other x")


async def test_one_line_may_be_taken_in_two_ways(gateway: Start, origin: Origin) -> None:
    """A header of its own may leave the scheme out: to one it is part of the credential, to the other it is not."""
    both = jwt('from = "header:X-Token"') + api_keys('from = "header:X-Token"')
    gw = await gateway(both + ROUTES, origin=origin)
    for written in (f"ApiKey {KEY}", KEY, f"Bearer {KEY}", f"Bearer {token()}", token()):
        assert (await gw.ask(get("/known", f"X-Token: {written}"))).status == 200, written
        assert origin.last.header("x-token") is None
    assert (await gw.ask(get("/known", f"X-Token: {KEY}", f"X-Token: ApiKey {KEY}"))).status == 401
