"""A change of the configuration that does not happen takes no keys from the one that goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from gwproxy.config.load import loads
from tests.support.issuer import Issuer
from tests.support.issuing import b64, jwk, sign
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

CONFIG = """
[auth.session]
type = "jwt"
algorithms = ["ES256"]
jwks = "${KEYS}"
refresh = "200ms"

[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/known"
service = "origin"
requires_auth = true
"""


def asked(kid: str, which: int = 0) -> bytes:
    head, said = {"alg": "ES256", "kid": kid}, {"sub": "u", "exp": 4_000_000_000}
    text = ".".join(b64(json.dumps(part).encode()) for part in (head, said))
    token = f"{text}.{b64(sign('ES256', text.encode(), which))}"
    return f"GET /known HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


@pytest.mark.asyncio
async def test_keys_are_fetched_as_before_after_a_reload_that_came_to_nothing(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gw = await gateway(CONFIG, origin=origin, keys=issuer.keys_url)
    assert (await gw.ask(asked("a"))).status == 200
    other = with_listener('[[routes]]\npath = "/"\nrespond = { status = 204 }\n')
    await gw.worker.prepare(loads(other))
    gw.worker.forget()
    issuer.publish(jwk("P-256", kid="a"), jwk("P-256", 1, kid="b"))
    told = issuer.asked
    await until(lambda: issuer.asked > told)
    async with asyncio.timeout(5):
        while (await gw.ask(asked("b", 1))).status != 200:
            pass
