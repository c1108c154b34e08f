"""What attacks on authentication share: files to serve, tokens of every issuer, and the clock of who verifies them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gwproxy.steps.authenticate import Authenticate
from tests.support.client import Answer
from tests.support.issuer import Issuer
from tests.support.issuing import sign
from tests.support.running import Gateway
from tests.support.tokens import SECRET, encoded

Start = Callable[..., Awaitable[Gateway]]

KEY = "gwk_a_key_that_nobody_else_has"
ROUTES = """
[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/open"
service = "origin"
requires_auth = false

[[routes]]
path = "/known"
service = "origin"
requires_auth = true
"""


def jwt(more: str = "", *, name: str = "tokens", algorithms: str = '"HS256"', key: str = f'key = "{SECRET}"') -> str:
    """An authenticator for tokens; `more` are further lines of it."""
    return f'[auth.{name}]\ntype = "jwt"\nalgorithms = [{algorithms}]\n{key}\n{more}\n'


def api_keys(more: str = "", *, name: str = "keys", key: str = KEY, entry: str = "") -> str:
    """An authenticator with one key; `entry` are further lines of that."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return (
        f'[auth.{name}]\ntype = "api_key"\n{more}\n[[auth.{name}.keys]]\nhash = "sha256:{digest}"\nid = "partner"\n'
        f"{entry}\n"
    )


def get(path: str, *fields: str | bytes, method: str = "GET") -> bytes:
    """A request with these field lines."""
    lines = b"".join((field if isinstance(field, bytes) else field.encode()) + b"\r\n" for field in fields)
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n".encode() + lines + b"\r\n"


def bearer(text: str) -> str:
    return f"Authorization: Bearer {text}"


def issued(alg: str = "ES256", which: int = 0, claims: dict[str, Any] | None = None, **header: Any) -> str:
    """A token of an issuer that signs with the key of `jwk(kind, which)`."""
    said = {"sub": "u-1", "exp": 4_000_000_000, **(claims or {})}
    text = f"{encoded(json.dumps({'alg': alg, **header}).encode())}.{encoded(json.dumps(said).encode())}"
    return f"{text}.{encoded(sign(alg, text.encode(), which))}"


async def refused(gw: Gateway, token: str) -> Answer:
    """The answer of a protected route, which must be that this token proves nothing."""
    answer = await gw.ask(get("/known", bearer(token)))
    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated"), token[:200]
    assert answer.json()["detail"] == "Authentication required"
    return answer


async def status(gw: Gateway, *fields: str | bytes, path: str = "/known") -> int:
    """What a caller with these field lines is answered, on a connection of its own."""
    return (await gw.ask(get(path, *fields))).status


def provers(gw: Gateway) -> list[Authenticate]:
    """What proves the callers of all routes: each once, though routes share them."""
    checks = [check for route in gw.worker.server.bound.routes for check in route.checks]
    found = [getattr(check, "__self__", None) for check in checks]
    return list(dict.fromkeys(one for one in found if isinstance(one, Authenticate)))


class Now:
    """The wall's clock of all that proves who is calling, turned by hand."""

    def __init__(self, gw: Gateway, now: float) -> None:
        self.now = now
        for prover in provers(gw):
            prover._clock = lambda: self.now


def by(issuer: Issuer, more: str = "", algorithms: str = '"ES256"') -> str:
    """A file whose keys this issuer has."""
    return jwt(more, algorithms=algorithms, key=f'jwks = "{issuer.keys_url}"') + ROUTES


class Times:
    """The clock by which an issuer may be asked again, turned by hand."""

    def __init__(self, gw: Gateway) -> None:
        self.now = time.monotonic()
        self.sources = list(gw.worker.live.issuers._sources.values())
        for source in self.sources:
            source._clock = lambda: self.now

    def may_ask_again(self) -> None:
        self.now += 31


async def ready(gw: Gateway, kid: str = "a") -> Times:
    """Once the keys are there."""
    assert await status(gw, bearer(issued(kid=kid))) == 200
    return Times(gw)
