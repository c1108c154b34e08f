"""No turn of the loop has two verifications, however many tokens come at once: others' requests come in between."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gwproxy.auth import jwt as tokens
from gwproxy.auth.signature import SLICE
from gwproxy.auth.signatures.digest import ContentDigest
from gwproxy.auth.signatures.verifier import Verifier
from tests.auth.attacking import ROUTES, Start, bearer, get, issued, jwt
from tests.support.client import Answer, Client
from tests.support.issuing import jwk, key_set, public_pem
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.signing import Call, content_digest, hmac_signer

MANY = 30
SIGNER = hmac_signer()
SIGNED = f"""
[auth.signed]
type = "signature"
components = ["@method", "@path"]
[[auth.signed.keys]]
keyid = "{SIGNER.keyid}"
algorithm = "{SIGNER.algorithm}"
key = "{SIGNER.config_text}"
id = "machine"
"""


class Turns:
    """Which turn of the loop it is, and in which something was verified."""

    def __init__(self) -> None:
        self.now = 0
        self.verified: Counter[int] = Counter()
        self.loop = asyncio.get_running_loop()
        self.on = True
        self._next()

    def _next(self) -> None:
        self.now += 1
        if self.on:
            self.loop.call_soon(self._next)

    def told(self, whole: Any) -> Any:
        """`whole`, told of each call."""

        def verify(*args: Any) -> Any:
            self.verified[self.now] += 1
            return whole(*args)

        return verify


@pytest.fixture
async def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    found = Turns()
    monkeypatch.setattr(tokens, "verify", found.told(tokens.verify))
    monkeypatch.setattr(Verifier, "examine", found.told(Verifier.examine))
    yield found
    found.on = False
    await asyncio.sleep(0)


def pem(which: int = 0) -> str:
    return f'key = """\n{public_pem("P-256", which).decode()}"""'


def forged(number: int) -> str:
    """Of a key that nobody believes."""
    return bearer(issued(which=1, claims={"jti": number}))


async def read(client: Client) -> Answer:
    answer = await client.read_answer()
    assert answer is not None
    return answer


async def piped(gw: Gateway, requests: list[bytes]) -> list[int]:
    """The statuses of requests that one connection sends in one piece."""
    client = await gw.connect()
    await client.send(b"".join(requests))
    return [(await read(client)).status for _ in requests]


async def test_tokens_that_one_connection_sends_at_once(gateway: Start, origin: Origin, turns: Turns) -> None:
    gw = await gateway(jwt(algorithms='"ES256"', key=pem()) + ROUTES, origin=origin)
    requests = [get("/known", forged(number)) for number in range(MANY - 1)]
    requests.append(get("/known", bearer(issued())))
    assert await piped(gw, requests) == [401] * (MANY - 1) + [200]
    assert turns.verified.total() == MANY
    assert set(turns.verified.values()) == {1}


async def test_tokens_of_many_connections(gateway: Start, origin: Origin, turns: Turns) -> None:
    gw = await gateway(jwt(algorithms='"ES256"', key=pem()) + ROUTES, origin=origin)
    clients = [await gw.connect() for _ in range(MANY)]
    for number, client in enumerate(clients):
        await client.send(get("/known", bearer(issued(claims={"jti": number}))))
    assert [(await read(client)).status for client in clients] == [200] * MANY
    assert turns.verified.total() == MANY
    assert set(turns.verified.values()) == {1}


async def test_one_token_of_many_connections_is_verified_once(gateway: Start, origin: Origin, turns: Turns) -> None:
    gw = await gateway(jwt(algorithms='"ES256"', key=pem()) + ROUTES, origin=origin)
    first, *clients = [await gw.connect() for _ in range(MANY)]
    token = bearer(issued())
    # It has the turn in which the others come.
    first.wire.transport.write(get("/known", forged(1)))
    for client in clients:
        client.wire.transport.write(get("/known", token))
    assert [(await read(client)).status for client in (first, *clients)] == [401] + [200] * (MANY - 1)
    assert turns.verified.total() == 2


async def test_several_keys_and_several_authenticators(gateway: Start, origin: Origin, turns: Turns, tmp_path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(key_set(*(jwk("P-256", which, kid=f"{which}") for which in (2, 3, 0))))
    both = jwt(name="one", algorithms='"ES256"', key=pem(1))
    both += jwt(name="two", algorithms='"ES256"', key=f'jwks = "{keys}"')
    gw = await gateway(both + ROUTES, origin=origin)
    assert await piped(gw, [get("/known", bearer(issued()))]) == [200]
    # One key of the first, three of the second.
    assert turns.verified.total() == 4
    assert set(turns.verified.values()) == {1}


async def test_failures_are_counted_before_the_next_is_verified(gateway: Start, origin: Origin, turns: Turns) -> None:
    few = '[limits]\nauth_failures = { requests = 5, window = "600s" }\n'
    gw = await gateway(jwt(algorithms='"ES256"', key=pem()) + few + ROUTES, origin=origin)
    clients = [await gw.connect() for _ in range(MANY)]
    for number, client in enumerate(clients):
        client.wire.transport.write(get("/known", forged(number)))
    found = Counter([(await read(client)).status for client in clients])
    assert found == {401: 5, 429: MANY - 5}
    assert turns.verified.total() == 5


async def test_on_a_public_route_who_used_them_up_is_anonymous(gateway: Start, origin: Origin, turns: Turns) -> None:
    few = '[limits]\nauth_failures = { requests = 5, window = "600s" }\n'
    gw = await gateway(jwt(algorithms='"ES256"', key=pem()) + few + ROUTES, origin=origin)
    clients = [await gw.connect() for _ in range(MANY)]
    for number, client in enumerate(clients):
        client.wire.transport.write(get("/open", bearer(issued(which=int(number < 10), claims={"jti": number}))))
    assert {(await read(client)).status for client in clients} == {200}
    assert turns.verified.total() == 5
    assert {sent.header("x-user-id") for sent in origin.seen} == {None}


async def test_signed_requests(gateway: Start, origin: Origin, turns: Turns) -> None:
    gw = await gateway(SIGNED + ROUTES, origin=origin)
    clients = [await gw.connect() for _ in range(MANY)]
    call = Call("GET", "http://a/known", (), b"")
    for client in clients:
        signed = SIGNER.sign(call, ["@method", "@path"], created=int(time.time()))
        lines = [f"{name}: {value}" for name, value in signed.fields]
        client.wire.transport.write(get("/known", *lines))
    assert [(await read(client)).status for client in clients] == [200] * MANY
    assert turns.verified.total() == MANY
    assert set(turns.verified.values()) == {1}


@pytest.mark.parametrize("size", [0, 1, SLICE, SLICE + 1, 5 * SLICE, 1_000_000])
async def test_signed_body_is_hashed_in_slices(
    size: int, gateway: Start, origin: Origin, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ContentDigest, "feed", turns.told(ContentDigest.feed))
    gw = await gateway(SIGNED + ROUTES, origin=origin)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    call = Call("POST", "http://a/known", (("Content-Digest", content_digest(body)),), body)
    signed = SIGNER.sign(call, ["@method", "@path", "content-digest"], created=int(time.time()))
    good, bad = await gw.connect(), await gw.connect()
    for client, sent in ((good, body), (bad, body[:-1] + b"?")):
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.fields)
        head = f"POST /known HTTP/1.1\r\nHost: a\r\nContent-Length: {len(sent)}\r\n{lines}\r\n"
        client.wire.transport.write(head.encode() + sent)
    assert [(await read(client)).status for client in (good, bad)] == [200, 401]
    assert [sent.body for sent in origin.seen] == [body]
    if size > SLICE:
        assert set(turns.verified.values()) == {1}
        assert turns.verified.total() == 2 + 2 * -(-size // SLICE)


async def test_others_are_answered_meanwhile(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt(algorithms='"ES256"', key=pem()) + ROUTES, origin=origin)
    flood, other = await gw.connect(), await gw.connect()
    many = 300
    flood.wire.transport.write(b"".join(get("/known", forged(number)) for number in range(many)))
    other.wire.transport.write(get("/open"))
    assert (await read(other)).status == 200
    answered = flood.wire.buffer.count(b"HTTP/1.1 401")
    assert answered < many
    assert [(await read(flood)).status for _ in range(many)] == [401] * many
