"""Attempts: pick a target, take a connection, send, and give back the answer's head with its body under way.

`attempt` is one request to one target and knows nothing of callers, routes or other attempts: what retries, breaks,
balances, caches or combines takes hold of it from outside.
"""

from __future__ import annotations

from gwproxy.egress.pool import Pool
from gwproxy.egress.request import IDEMPOTENT, Answer, Request, Times, may_resend
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange


async def attempt(exchange: Exchange, pool: Pool, request: Request, times: Times) -> Answer:
    """Send `request` to the target of `pool`, once; where a kept connection had gone stale, once more on a new one.

    Raises GatewayError: `bad_gateway`, `upstream_timeout`, `overloaded`; or CancelledError when the caller leaves,
    with the connection closed.
    """
    exchange.target = pool.name
    connection = pool.take(checked=request.body is not None or request.method not in IDEMPOTENT)
    wheel = pool.wheel
    while True:
        exchange.tries += 1
        begun = wheel.now
        if connection is None:
            # After a stale connection a new one, whose death is no matter of age.
            connection = await pool.open(exchange, times, fresh=exchange.reused)
        exchange.reused = connection.served > 0
        try:
            answer: Answer = await connection.send(exchange, request, times, begun)
            return answer
        except GatewayError as error:
            if not _may_resend(request, error):
                raise
            connection = None
        except BaseException:
            connection.abort()
            raise


def _may_resend(request: Request, error: GatewayError) -> bool:
    return may_resend(
        idempotent=request.method in IDEMPOTENT,
        written=not error.unsent,
        reused=error.reused,
        answered=False,
        replayable=request.body is None,
    )
