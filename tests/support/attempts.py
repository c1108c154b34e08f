"""Egress without ingress: an exchange built by hand, pools to targets, and one future that drives both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from gwproxy.config import schema
from gwproxy.config.units import Duration
from gwproxy.egress.forward import attempt
from gwproxy.egress.pool import Pool
from gwproxy.egress.request import Answer, Request, Times
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.runtime.live import Live
from gwproxy.snapshot.targets import service_of
from gwproxy.wire.flow import Body, collect
from gwproxy.wire.receiver import Receiver

NEVER = float("inf")


def made_exchange(method: bytes = b"GET", target: bytes = b"/x") -> Exchange:
    """An exchange without a caller, and so without a sender: egress asks for neither."""
    head = Receiver(1024).head(b"%b %b HTTP/1.1\r\nHost: a\r\n\r\n" % (method, target))
    assert head is not None
    return Exchange(head, cast(Sender, None), time.monotonic())


def made_request(method: bytes = b"GET", target: bytes = b"/x", content: bytes = b"") -> Request:
    request = Request(method, target, b"Content-Length: %d\r\n" % len(content) if content else b"")
    request.content = content
    return request


def made_times(timeout_s: float = 2.0, connect_s: float = 1.0, idle_s: float = 2.0) -> Times:
    return Times(timeout_s, connect_s, idle_s, NEVER)


def pools_to(live: Live, *urls: str, name: str = "pair", **pool: float) -> list[Pool]:
    """The pools of one service with these targets; `pool` are the keys of [services.NAME.pool]."""
    written = schema.Pool(
        max_connections=int(pool.get("max_connections", 16)),
        idle_timeout=Duration(pool.get("idle_timeout", 60)),
    )
    targets = tuple(schema.Target(url=url) for url in urls)
    return [found for found, _ in live.pools(service_of(name, schema.Service(targets=targets, pool=written)))]


class Tries:
    """Attempts on one pool after another, until one answers; what stood in the exchange after each of them."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []
        self.failures: list[GatewayError] = []

    async def on(self, exchange: Exchange, pools: Sequence[Pool], request: Request, times: Times) -> Answer:
        for pool in pools:
            try:
                return await attempt(exchange, pool, request, times)
            except GatewayError as error:
                self.failures.append(error)
            finally:
                self.seen.append((exchange.tries, exchange.target))
        raise self.failures[-1]


async def whole(answer: Answer) -> bytes:
    """The body of an answer, whole."""
    if isinstance(answer.body, Body):
        return await collect(answer.body, 1 << 20)
    return answer.body
