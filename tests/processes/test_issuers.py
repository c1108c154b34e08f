"""Keys that several workers fetch from an issuer: what is told of an issuer that is not there, and when it is back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.client import connect
from tests.support.issuer import Issuer
from tests.support.issuing import jwk, sign
from tests.support.tokens import encoded

FILE = """
[gateway]
listen = ["127.0.0.1:0"]
workers = 2
[auth.session]
type = "jwt"
algorithms = ["ES256"]
jwks = "{keys}"
[[routes]]
path = "/a"
requires_auth = true
respond = {{ status = 200 }}
"""


@pytest_asyncio.fixture
async def issuer(level: Any) -> AsyncIterator[Issuer]:
    one = Issuer()
    await one.start()
    yield one
    await one.stop()


def request() -> bytes:
    head = encoded(json.dumps({"alg": "ES256", "kid": "one"}).encode())
    signed = f"{head}.{encoded(json.dumps({'sub': 'u', 'exp': 4_000_000_000}).encode())}"
    token = f"{signed}.{encoded(sign('ES256', signed.encode()))}"
    return f"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def ask(port: int) -> tuple[int, str | None]:
    client = await connect(port)
    answer = await client.ask(request())
    client.close()
    return answer.status, answer.json()["code"] if answer.status != 200 else None


@pytest.mark.asyncio
async def test_an_issuer_that_is_down_is_told_and_nobody_is_let_in_until_it_is_back(
    gwproxy: Any, issuer: Issuer, tmp_path: Path
) -> None:
    issuer.publish(jwk("P-256", kid="one"))
    await issuer.down()
    file = tmp_path / "routes.toml"
    file.write_text(FILE.format(keys=issuer.keys_url))
    process = await gwproxy("run", str(file))
    port = await process.port()
    await gwproxy.until(lambda found: all(each["key_trouble"] for each in found["workers"]))
    assert await ask(port) == (503, "state_unavailable")
    code, out, _ = await gwproxy.told("status")
    assert code == 0
    assert f"keys could not be fetched: {issuer.keys_url}: " in out
    await issuer.up()
    await gwproxy.until(lambda found: not any(each["key_trouble"] for each in found["workers"]))
    for _ in range(4):
        assert await ask(port) == (200, None)
    code, out, _ = await gwproxy.told("status")
    assert "could not be fetched" not in out
