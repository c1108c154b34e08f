"""An issuer whose keys were never had: its tokens are nobody's fault, and no other issuer's callers suffer from it."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.issuing import b64, public_pem, sign
from tests.support.origin import Origin

FILE = """
[auth.down]
type = "jwt"
algorithms = ["ES256"]
jwks = "http://127.0.0.1:{port}/keys"
[auth.up]
type = "jwt"
algorithms = ["ES256"]
key = \"\"\"
{pem}\"\"\"
[limits]
auth_failures = {{ requests = 1, window = "600s" }}
[services.origin]
url = "${{ORIGIN}}"
[[routes]]
path = "/known"
service = "origin"
requires_auth = true
[[routes]]
path = "/open"
service = "origin"
requires_auth = false
"""


def get(path: str, which: int) -> bytes:
    said = {"alg": "ES256"}, {"sub": f"u-{which}", "exp": 4_000_000_000}
    signed = ".".join(b64(json.dumps(part).encode()) for part in said)
    token = f"{signed}.{b64(sign('ES256', signed.encode(), which))}"
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


@pytest.fixture
def text() -> str:
    """Nobody listens where the first issuer has its keys; the second's is that of number 0."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    return FILE.format(port=port, pem=public_pem("P-256", 0).decode())


async def test_token_of_another_issuer_is_let_in(gateway, origin: Origin, text: str):
    gw = await gateway(text, origin)
    assert (await gw.ask(get("/known", 0))).status == 200
    assert origin.seen[0].header("x-user-id") == "u-0"


async def test_token_that_may_be_its_own_is_503_and_counts_against_nobody(gateway, origin: Origin, text: str):
    gw = await gateway(text, origin)
    for path, status in (("/open", 200), ("/open", 200), ("/known", 503), ("/open", 200), ("/known", 503)):
        answer = await gw.ask(get(path, 1))
        assert answer.status == status
    assert (answer.json()["code"], answer.header("retry-after")) == ("state_unavailable", "1")
    assert [sent.header("x-user-id") for sent in origin.seen] == [None] * 3
    assert gw.records[-1].cause == "up: bad signature; down: the keys of down could not be fetched"
    assert (await gw.ask(get("/known", 0))).status == 200
