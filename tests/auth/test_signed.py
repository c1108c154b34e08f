"""Signed requests over real sockets: the request that was signed is let in, and its body with it, and no other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gwproxy.config.load import loads
from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.signing import Call, content_digest, ed25519_signer, hmac_signer
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]

ED, SHARED = ed25519_signer(), hmac_signer()
COVERED = ("@method", "@authority", "@path", "@query")
WITH_BODY = (*COVERED, "content-digest")
CONFIG = f"""
[auth.signed]
type = "signature"
max_body = 100000
[[auth.signed.keys]]
keyid = "{ED.keyid}"
algorithm = "ed25519"
key = '''{ED.config_text}'''
id = "partner"
role = "clerk"
[[auth.signed.keys]]
keyid = "{SHARED.keyid}"
algorithm = "hmac-sha256"
key = "{SHARED.config_text}"
id = "billing"

[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"

[roles]
clerk = ["orders:write"]

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/orders"
method = "*"
service = "origin"
requires_auth = true

[[routes]]
path = "/open"
method = "*"
service = "origin"
requires_auth = false

[[routes]]
path = "/forwarded"
service = "origin"
requires_auth = true
forward_credentials = true
"""


def call(path: str = "/orders?x=1", *fields: tuple[str, str], body: bytes = b"", method: str = "") -> Call:
    digest = (("Content-Digest", content_digest(body)),) if body else ()
    return Call(method or ("POST" if body else "GET"), f"http://a{path}", (*fields, *digest), body)


def signed(one: Call, signer=ED, **told: int | str) -> Call:
    return signer.sign(one, WITH_BODY if one.body else COVERED, **{"created": int(time.time()), **told})


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


UNKNOWN = (401, "unauthenticated")


@pytest.mark.asyncio
async def test_a_signed_request_lets_its_signer_in_without_its_signature(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for signer, who in ((ED, "partner"), (SHARED, "billing")):
        assert (await gw.ask(signed(call(), signer).raw())).status == 200
        sent = origin.last
        told = [sent.header(name) for name in ("x-user-id", "signature", "signature-input")]
        assert told == [who, None, None]


@pytest.mark.asyncio
async def test_a_signature_of_one_request_is_none_of_another_on_the_same_connection(
    gateway: Start, origin: Origin
) -> None:
    """The field lines are the same, only the request line differs: nothing may be remembered by these lines."""
    gw = await gateway(CONFIG, origin=origin)
    caller = await gw.connect()
    one = signed(call())
    assert (await caller.ask(one.raw())).status == 200
    for other in ("http://a/orders?x=2", "http://a/orders"):
        assert code(await caller.ask(replace(one, url=other).raw())) == UNKNOWN
    assert code(await caller.ask(replace(one, method="DELETE").raw())) == UNKNOWN
    assert (await caller.ask(one.raw())).status == 200
    assert len(origin.seen) == 2


@pytest.mark.asyncio
async def test_what_is_not_signed_as_it_should_be_is_refused(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    now = int(time.time())
    for bad in (
        ED.sign(call(), ("@method", "@path"), created=now),
        signed(call(), created=now - 1000),
        signed(call(), created=now + 1000),
        signed(call(), ed25519_signer("ed", b"x" * 32)),
        signed(call(), ed25519_signer("nobody")),
        ED.sign(call(body=b"x"), COVERED, created=now),
        call().told(("Signature", "sig1=:AAAA:")),
    ):
        answer = await gw.ask(bad.raw())
        assert code(answer) == UNKNOWN
        assert answer.headers.named("WWW-Authenticate")[0] == 'Signature realm="gwproxy"'
    assert origin.seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [3, 70_000])
async def test_a_signed_body_arrives_whole(gateway: Start, origin: Origin, size: int) -> None:
    gw = await gateway(CONFIG, origin=origin)
    body = b"b" * size
    assert (await gw.ask(signed(call(body=body)).raw())).status == 200
    assert origin.last.body == body
    assert gw.records[0].bytes_in == size


@pytest.mark.asyncio
async def test_a_body_that_was_changed_reaches_no_service(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for size in (3, 70_000):
        one = signed(call(body=b"b" * size))
        answer = await gw.ask(replace(one, body=b"b" * (size - 1) + b"c").raw())
        assert code(answer) == UNKNOWN
    one = signed(call(body=b"xyz"))
    assert code(await gw.ask(replace(one, body=b"").raw())) == UNKNOWN
    assert origin.heads == []


@pytest.mark.asyncio
async def test_a_body_in_chunks_is_compared_too(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    head = signed(call(body=b"abcdef")).raw().removesuffix(b"abcdef")
    head = head.replace(b"Content-Length: 6", b"Transfer-Encoding: chunked")
    caller = await gw.connect()
    assert (await caller.ask(head + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")).status == 200
    assert origin.last.body == b"abcdef"
    assert code(await caller.ask(head + b"3\r\nabc\r\n3\r\ndeg\r\n0\r\n\r\n")) == UNKNOWN


@pytest.mark.asyncio
async def test_a_body_over_the_bound_is_refused_before_anything_is_forwarded(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    one = signed(call(body=b"b" * 100_001))
    assert code(await gw.ask(one.raw())) == (413, "body_too_large")
    head = one.raw()[: -len(one.body)].replace(b"Content-Length: 100001", b"Transfer-Encoding: chunked")
    assert code(await gw.ask(head + b"186a1\r\n" + one.body + b"\r\n0\r\n\r\n")) == (413, "body_too_large")
    assert origin.heads == []


@pytest.mark.asyncio
async def test_who_waits_for_a_100_gets_it_from_the_gateway(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    raw = signed(call("/orders", ("Expect", "100-continue"), body=b"abc")).raw()
    caller = await gw.connect()
    started = time.monotonic()
    await caller.send(raw.removesuffix(b"abc"))
    assert await caller.wire.read_until(b"\r\n\r\n", None) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert time.monotonic() - started < 0.9
    answer = await caller.ask(b"abc")
    assert (answer.status, origin.last.body) == (200, b"abc")


@pytest.mark.asyncio
async def test_bad_signatures_on_a_public_route_are_anonymous_with_their_body(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    one = replace(signed(call("/open", body=b"b" * 70_000)), body=b"c" * 70_000)
    assert (await gw.ask(one.raw())).status == 200
    sent = origin.last
    assert (sent.body, sent.header("x-user-id"), sent.header("signature")) == (b"c" * 70_000, None, None)


@pytest.mark.asyncio
async def test_a_signature_beside_a_token_proves_nothing(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    both = signed(call("/orders", ("Authorization", f"Bearer {token()}")))
    assert code(await gw.ask(both.raw())) == UNKNOWN
    assert (await gw.ask(call("/orders", ("Authorization", f"Bearer {token()}")).raw())).status == 200


@pytest.mark.asyncio
async def test_a_signature_passes_on_where_the_route_says_so(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    await gw.ask(signed(call("/forwarded")).raw())
    assert origin.last.header("signature-input") is not None


@pytest.mark.asyncio
async def test_a_nonce_is_taken_once_and_a_reload_does_not_forget_it(gateway: Start, origin: Origin) -> None:
    text = CONFIG.replace("max_body = 100000", "nonce = true")
    gw = await gateway(text, origin=origin)
    one = signed(call(), nonce="n-1")
    assert (await gw.ask(one.raw())).status == 200
    assert code(await gw.ask(one.raw())) == UNKNOWN
    assert code(await gw.ask(signed(call()).raw())) == UNKNOWN
    gw.worker.swap(await gw.worker.prepare(loads(with_listener(text), environ={"ORIGIN": origin.url})))
    assert code(await gw.ask(one.raw())) == UNKNOWN
    assert (await gw.ask(signed(call(), nonce="n-2").raw())).status == 200
