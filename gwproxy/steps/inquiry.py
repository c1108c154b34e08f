"""Asking a service about a request, before that goes on: over the same pools as everything else that is asked."""

from __future__ import annotations

from typing import Final

from gwproxy.auth.forward import Answered
from gwproxy.auth.principal import Unjudged
from gwproxy.egress.balance.round_robin import RoundRobin
from gwproxy.egress.forward import Attempt
from gwproxy.egress.pool import Pool
from gwproxy.egress.request import Answer, Request, Times
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange
from gwproxy.steps.forward_with import OwnHeader
from gwproxy.wire.flow import Body

MOST_BODY: Final = 64 * 1024
"""Bytes of an answer that are read, and dropped, so that its connection can be used again."""


class Inquiry:
    """Asks one service, at one path. `own` proves to it that the gateway is asking."""

    __slots__ = ("_balance", "_own", "_path", "_timeout_s")

    def __init__(
        self, balance: RoundRobin[Pool], path: bytes, timeout_s: float, own: OwnHeader | None = None
    ) -> None:
        self._balance = balance
        self._path = path
        self._timeout_s = timeout_s
        self._own = own

    async def __call__(self, lines: bytes, exchange: Exchange) -> Answered:
        """Ask with these field lines. Raises Unjudged where no answer comes in time."""
        pool = self._balance.pick()
        # What is asked has a record, times and tries of its own: those of the exchange are its own request's.
        apart = exchange.apart()
        apart.started = pool.wheel.now
        told = b"%bX-Request-Id: %b\r\n%b" % (lines, exchange.request_id, _via(exchange.sender.lines))
        request = Request(b"GET", self._path, told)
        if self._own is not None:
            self._own.add(request, exchange)
        every = self._timeout_s
        try:
            answer: Answer = await Attempt(apart, pool, request, Times(every, every, every, every))
        except GatewayError as failure:
            raise Unjudged(f"{pool.service}: {failure.detail} ({failure.cause})") from None
        if isinstance(answer.body, Body):
            answer.body.connect(_Drain(answer.body))
        return Answered(answer.status, answer.head)


def _via(lines: bytes) -> bytes:
    """The Via that a sender's lines have: so a gateway that is asked by itself knows that it is."""
    at = lines.rfind(b"\r\nVia: ")
    return lines[at + 2 :].partition(b"\r\n")[0] + b"\r\n" if at >= 0 else b""


class _Drain:
    """Takes a body that nobody reads, up to MOST_BODY."""

    __slots__ = ("_body", "_left")

    def __init__(self, body: Body) -> None:
        self._body: Body | None = body
        self._left = MOST_BODY

    def write(self, data: bytes) -> None:
        """A piece; above the bound the answer is given up, and its connection with it."""
        self._left -= len(data)
        body = self._body
        if self._left < 0 and body is not None:
            self._body = None
            body.abort()

    def finish(self) -> None:
        """The body is over."""
        self._body = None

    def fail(self, error: BaseException) -> None:
        """Whatever was in it, nobody wanted it."""
        self._body = None
