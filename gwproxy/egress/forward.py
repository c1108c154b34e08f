"""An attempt: one request to one target, which gives the answer's head with its body under way.

It knows nothing of callers, routes or other attempts: what retries, breaks, balances, caches or combines takes hold of
it from outside. Await it, in a driven coroutine, or attach what is to go on when the answer has come.
"""

from __future__ import annotations

from typing import Any

from gwproxy.drive import Drive, Waiter
from gwproxy.egress.pool import Pool
from gwproxy.egress.request import IDEMPOTENT, Request, Times, may_resend
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange


class Attempt(Waiter):
    """Gives an Answer, or fails with GatewayError: `bad_gateway`, `upstream_timeout`, `overloaded`.

    The request is sent once; where a kept connection had gone stale, once more on a new one. `cancel` closes the
    connection.
    """

    __slots__ = ("_connection", "_exchange", "_opening", "_pool", "_request", "_times")

    def __init__(self, exchange: Exchange, pool: Pool, request: Request, times: Times) -> None:
        self._waiting = None
        self._value = None
        self._error = None
        self.ready = False
        self._exchange = exchange
        self._pool = pool
        self._request = request
        self._times = times
        self._opening: Drive | None = None
        exchange.target = pool.name
        exchange.tries += 1
        connection = pool.take(checked=request.body is not None or request.method not in IDEMPOTENT)
        self._connection = connection
        if connection is None:
            self._open(fresh=False)
        else:
            exchange.reused = connection.served > 0
            connection.send(self, exchange, request, times, pool.wheel.now)

    def fail(self, error: BaseException) -> None:
        """The connection is lost, or too slow."""
        if not self.ready and isinstance(error, GatewayError) and _may_resend(self._request, error):
            # After a stale connection a new one, whose death is no matter of age.
            self._connection = None
            self._exchange.tries += 1
            self._open(fresh=True)
        else:
            super().fail(error)

    def cancel(self) -> None:
        """Give up: nobody waits for the answer any more."""
        super().cancel()
        if self._opening is not None:
            self._opening.cancel()
        elif self._connection is not None and not self.ready:
            self._connection.abort()

    def _open(self, *, fresh: bool) -> None:
        self._opening = Drive(self._opened(fresh), self._open_ended)
        self._opening.start()

    async def _opened(self, fresh: bool) -> None:
        begun = self._pool.wheel.now
        connection = await self._pool.open(self._exchange, self._times, fresh=fresh)
        self._opening = None
        self._connection = connection
        self._exchange.reused = connection.served > 0
        connection.send(self, self._exchange, self._request, self._times, begun)

    def _open_ended(self, _: Any, error: BaseException | None) -> None:
        self._opening = None
        if error is not None:
            super().fail(error)


def attempt(exchange: Exchange, pool: Pool, request: Request, times: Times) -> Attempt:
    """Send `request` to the target of `pool`."""
    return Attempt(exchange, pool, request, times)


def _may_resend(request: Request, error: GatewayError) -> bool:
    return may_resend(
        idempotent=request.method in IDEMPOTENT,
        written=not error.unsent,
        reused=error.reused,
        answered=False,
        replayable=request.body is None,
    )
