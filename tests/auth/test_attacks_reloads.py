"""Reloads, good and bad ones, and issuers beside each other: what one does is no trouble of another's."""

from __future__ import annotations

import asyncio

import pytest

from gwproxy.config.load import loads
from tests.auth.attacking import ROUTES, Start, bearer, by, get, issued, jwt, ready, refused, status
from tests.support.issuer import Issuer
from tests.support.issuing import jwk
from tests.support.origin import Origin
from tests.support.running import with_listener
from tests.support.tokens import token
from tests.support.until import until


async def test_one_issuer_that_is_down_is_no_trouble_of_anothers(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    """Nor does it delay who is another's."""
    gate = issuer.hold()
    both = jwt(name="down", algorithms='"ES256", "HS256"', key=f'jwks = "{issuer.keys_url}"') + jwt(name="well")
    gw = await gateway(both + ROUTES, origin=origin)
    assert await asyncio.wait_for(status(gw, bearer(token())), 3) == 200
    assert await asyncio.wait_for(status(gw, bearer(token()), path="/open"), 3) == 200
    assert origin.last.header("x-user-id") == "u-1"
    gate.set()
    assert await status(gw, bearer(issued(kid="a"))) == 200
    # One that both must look at, and nobody believes.
    await refused(gw, issued(which=1, kid="a"))


async def test_a_reload_that_fails_leaves_the_issuer_in_force(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    text = by(issuer)
    gw = await gateway(text, origin=origin)
    times = await ready(gw)
    broken = text.replace('url = "${ORIGIN}"', 'url = "https://a.example"\ntls.ca = "/not/there"')
    with pytest.raises(OSError):
        await gw.worker.reload(loads(with_listener(broken), environ={"ORIGIN": origin.url}))
    issuer.publish(jwk("P-256", 1, kid="b"))
    times.may_ask_again()
    assert await status(gw, bearer(issued(which=1, kid="b"))) == 200
    await refused(gw, issued(kid="a"))


async def test_reloads_in_a_flood_of_tokens_lose_nothing(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    text = by(issuer)
    gw = await gateway(text, origin=origin)
    await ready(gw)
    over = False

    async def flood(at: int) -> list[int]:
        caller, found = await gw.connect(), []
        while not over:
            for claims in ({"jti": f"{at}-{len(found)}"}, {}):
                found.append((await caller.ask(get("/known", bearer(issued(kid="a", claims=claims))))).status)
        return found

    floods = [asyncio.create_task(flood(at)) for at in range(8)]
    for number in range(12):
        asked = len(origin.seen)
        changed = text + f'[[routes]]\npath = "/r{number}"\nservice = "origin"\nrequires_auth = true\n'
        await gw.worker.reload(loads(with_listener(changed), environ={"ORIGIN": origin.url}))
        await until(lambda asked=asked: len(origin.seen) > asked + 20)  # type: ignore[misc]
    over = True
    found = [status for each in await asyncio.gather(*floods) for status in each]
    assert set(found) == {200}
    assert len(found) > 240
    assert issuer.asked == 1


async def test_a_reload_that_changes_times_takes_no_key_away(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    """While the issuer is down; and what one believes of another is nothing but its keys."""
    gw = await gateway(by(issuer), origin=origin)
    await ready(gw)
    await issuer.down()
    changed = by(issuer, 'timeout = "4s"\nrefresh = "1h"')
    await gw.worker.reload(loads(with_listener(changed), environ={"ORIGIN": origin.url}))
    assert await status(gw, bearer(issued(kid="a"))) == 200
    await refused(gw, issued(which=1, kid="a"))
    # Other algorithms are another trust.
    other = by(issuer, algorithms='"ES256", "RS256"')
    await gw.worker.reload(loads(with_listener(other), environ={"ORIGIN": origin.url}))
    assert await status(gw, bearer(issued(kid="a"))) == 503


async def test_a_reload_while_keys_are_fetched_loses_nobody_who_waits(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gate = issuer.hold()
    gw = await gateway(by(issuer), origin=origin)
    callers = [await gw.connect() for _ in range(5)]
    for caller in callers:
        await caller.send(get("/known", bearer(issued(kid="a"))))
    await until(lambda: sum(1 for each in gw.worker.server.connections if each.serving.exchange) == 5)
    await gw.worker.reload(loads(with_listener(by(issuer, 'timeout = "4s"')), environ={"ORIGIN": origin.url}))
    gate.set()
    answers = [await caller.read_answer() for caller in callers]
    assert [answer.status for answer in answers if answer is not None] == [200] * 5
    # The last one asks no more.
    await until(lambda: not gw.worker.live.issuers._retiring)


async def test_a_stop_while_a_retired_issuer_is_asked_does_not_wait_for_it(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gate = issuer.hold()
    gw = await gateway(by(issuer, 'timeout = "60s"'), origin=origin)
    await gw.worker.reload(loads(with_listener(by(issuer, 'timeout = "50s"')), environ={"ORIGIN": origin.url}))
    stopping = asyncio.ensure_future(gw.stop())
    await asyncio.wait([stopping], timeout=5)
    assert stopping.done()
    gate.set()
