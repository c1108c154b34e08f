"""Floods of bad credentials from one address: cheap, and nobody else's trouble, wherever failures are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gwproxy.auth.api_key import ApiKeys
from gwproxy.auth.jwt import Jwt
from tests.auth.attacking import KEY, ROUTES, Start, api_keys, bearer, get, issued, jwt, provers, status
from tests.support.issuer import Issuer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import token

TRUSTED = '[gateway]\ntrusted_proxies = ["127.0.0.1"]\n'
FAILURES = '[limits]\nauth_failures = {{ requests = {requests}, window = "600s" }}\n'
HERE, THERE = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The credentials that were verified: the methods themselves, told of each."""
    found: list[bytes] = []

    def wrapped(whole: Any) -> Any:
        def prove(self: Any, credential: bytes, *more: Any) -> Any:
            found.append(credential)
            return whole(self, credential, *more)

        return prove

    for method in (Jwt, ApiKeys):
        monkeypatch.setattr(method, "prove", wrapped(method.prove))
    return found


@pytest.fixture(params=["memory", "store", "cluster"])
def state(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    return f'[state]\nurl = "{request.getfixturevalue(request.param).url}"\ntimeout = "5s"\n'


def bad(number: int) -> str:
    return bearer(f"{token({'jti': number})[:-1]}")


async def flooded(gw: Gateway, verified: list[bytes], requests: int, where: str = HERE) -> None:
    """Failures until they are used up, one after another."""
    for number in range(requests):
        assert await status(gw, bad(number), where) == 401
    # A store is told of them while nobody waits, so that a few more may get through to be verified.
    more = [await status(gw, bad(1000 + number), where) for number in range(20)]
    assert more[-10:] == [429] * 10
    verified.clear()


async def test_a_flood_is_refused_before_anything_is_verified(
    state: str, gateway: Start, origin: Origin, verified: list[bytes]
) -> None:
    gw = await gateway(TRUSTED + state + FAILURES.format(requests=5) + jwt() + api_keys() + ROUTES, origin=origin)
    good, kept = bearer(token({"sub": "kept"})), await gw.connect()
    assert (await kept.ask(get("/known", good, HERE))).status == 200
    with_key = await gw.connect()
    assert (await with_key.ask(get("/known", f"X-API-Key: {KEY}", HERE))).status == 200
    await flooded(gw, verified, 5)
    caller = await gw.connect()
    for number in range(100):
        answer = await caller.ask(get("/known", bad(number), HERE))
        assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.header("retry-after") or 0) > 500
    # A good one that nobody knows yet is refused too: to find out that it is good is what a flood would cost.
    for new in (bearer(token({"sub": "new"})), "X-API-Key: another"):
        assert await status(gw, new, HERE) == 429
    assert verified == []
    # Who is known goes on: on its own connection, and on others where the table knows its token.
    assert (await kept.ask(get("/known", good, HERE))).status == 200
    assert (await with_key.ask(get("/known", f"X-API-Key: {KEY}", HERE))).status == 200
    assert await status(gw, good, HERE) == 200
    # Without credentials there is nothing to verify and nothing to count.
    assert await status(gw, HERE) == 401
    # Other addresses have failures of their own.
    assert await status(gw, bearer(token({"sub": "new"})), THERE) == 200
    assert await status(gw, bad(0), THERE) == 401


async def test_public_routes_stay_open_in_a_flood_and_verify_nothing(
    state: str, gateway: Start, origin: Origin, verified: list[bytes]
) -> None:
    gw = await gateway(TRUSTED + state + FAILURES.format(requests=3) + jwt() + ROUTES, origin=origin)
    await flooded(gw, verified, 3)
    caller = await gw.connect()
    for number in range(20):
        answer = await caller.ask(get("/open", bad(number), HERE))
        assert answer.status == 200
        # What is told of limits is told of those that this route has.
        assert answer.header("x-ratelimit-limit") is None
        assert origin.last.header("x-user-id") is None
        assert origin.last.header("authorization") is None
    assert verified == []
    assert gw.records[-1].code is None


async def test_failures_on_public_routes_count(
    state: str, gateway: Start, origin: Origin, verified: list[bytes]
) -> None:
    """Else they would be the place to try secrets at."""
    gw = await gateway(TRUSTED + state + FAILURES.format(requests=3) + jwt() + ROUTES, origin=origin)
    for number in range(60):
        assert await status(gw, bad(number), HERE, path="/open") == 200
    assert 3 <= len(verified) < 20
    assert await status(gw, bearer(token()), HERE) == 429


async def test_a_flood_all_at_once_verifies_about_as_many_as_are_allowed(
    gateway: Start, origin: Origin, verified: list[bytes]
) -> None:
    gw = await gateway(TRUSTED + FAILURES.format(requests=5) + jwt() + ROUTES, origin=origin)
    statuses = await asyncio.gather(*(status(gw, bad(number), HERE) for number in range(200)))
    assert (statuses.count(401), statuses.count(429)) == (5, 195)
    assert len(verified) == 5


async def test_two_credentials_count_as_a_failure(gateway: Start, origin: Origin, verified: list[bytes]) -> None:
    gw = await gateway(TRUSTED + FAILURES.format(requests=3) + jwt() + ROUTES, origin=origin)
    for _ in range(3):
        assert await status(gw, bearer(token()), bearer(token()), HERE) == 401
    assert await status(gw, bearer(token()), HERE) == 429
    assert verified == []


async def test_success_and_silence_are_no_failures(gateway: Start, origin: Origin, verified: list[bytes]) -> None:
    gw = await gateway(TRUSTED + FAILURES.format(requests=2) + jwt() + ROUTES, origin=origin)
    for number in range(20):
        assert await status(gw, bearer(token({"jti": number})), HERE) == 200
        assert await status(gw, HERE) == 401
        assert await status(gw, HERE, path="/open") == 200
    assert await status(gw, bad(0), HERE) == 401


async def test_nobody_is_locked_out_by_whom_it_names(gateway: Start, origin: Origin) -> None:
    """Only a trusted proxy says whose failure it is."""
    gw = await gateway(FAILURES.format(requests=2) + jwt() + ROUTES, origin=origin)
    for number in range(5):
        await status(gw, bad(number), f"X-Forwarded-For: 192.0.2.{number}", "Forwarded: for=192.0.2.1")
    [one] = await gw.worker.live.limits.known("a:127.0.0.1")
    assert (one.key, one.left) == ("auth_failures", 0)
    assert await gw.worker.live.limits.known("a:192.0.2.1") == []


async def test_failures_are_forgotten_with_their_window_and_by_an_operator(gateway: Start, origin: Origin) -> None:
    gw = await gateway(FAILURES.format(requests=2) + jwt() + ROUTES, origin=origin)
    limits = gw.worker.live.limits
    for number in range(2):
        assert await status(gw, bad(number)) == 401
    assert await status(gw, bearer(token())) == 429
    assert await limits.forget("a:127.0.0.1") == 1
    assert await status(gw, bearer(token())) == 200
    for number in range(2):
        assert await status(gw, bad(number)) == 401
    assert await status(gw, bearer(token({"jti": 1}))) == 429
    # The clock of plans is that of their store.
    later = limits.clock
    for prover in provers(gw):
        assert prover._failures is not None
        prover._failures._clock = lambda: later() + 601 * 10**9
    assert await status(gw, bearer(token({"jti": 1}))) == 200


async def test_an_issuer_that_is_down_makes_nobody_a_failure(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    await issuer.down()
    text = FAILURES.format(requests=2) + jwt(algorithms='"ES256"', key=f'jwks = "{issuer.keys_url}"') + ROUTES
    gw = await gateway(text, origin=origin)
    good = bearer(issued(kid="a"))
    for _ in range(5):
        assert await status(gw, good) == 503
        assert await status(gw, good, path="/open") == 200
    assert await gw.worker.live.limits.known("a:127.0.0.1") == []
    await issuer.up()


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
@pytest.mark.parametrize(("policy", "last"), [("local", 429), ("allow", 401), ("deny", 429)])
async def test_a_store_that_fails_lets_nobody_in(
    kind: str, policy: str, last: int, gateway: Start, origin: Origin, verified: list[bytes]
) -> None:
    """And `local` counts failures here meanwhile, as `deny` does, which has nothing else to deny."""
    state = f'[state]\nurl = "{kind}://127.0.0.1:1"\ntimeout = "50ms"\non_failure = "{policy}"\n'
    gw = await gateway(state + FAILURES.format(requests=3) + jwt() + ROUTES, origin=origin)
    found = [await status(gw, bad(number)) for number in range(12)]
    assert (found[:3], found[-1]) == ([401] * 3, last)
    assert origin.seen == []
    assert len(verified) == found.count(401)
