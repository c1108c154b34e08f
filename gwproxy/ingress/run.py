"""The loop that every request goes through: its route's checks, one responder, the finishers."""

from __future__ import annotations

import asyncio
import logging

from gwproxy.errors import Blame, GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.replies import problem
from gwproxy.snapshot.bind import Bound, BoundRoute

log = logging.getLogger("gwproxy")


async def run(exchange: Exchange, bound: Bound) -> Reply:
    """The reply to `exchange`. Never raises but for cancellation: every failure is a reply of its own."""
    route: BoundRoute | None = None
    try:
        route = bound.match(exchange)
        reply = await _reply(exchange, route)
    except GatewayError as error:
        reply = refusal(exchange, error)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        reply = refusal(exchange, _ours(exchange, error))
    if route is not None:
        for finish in route.finishers:
            finish(exchange, reply)
    return reply


async def _reply(exchange: Exchange, route: BoundRoute) -> Reply:
    for check in route.checks:
        stop = check(exchange)
        if stop is not None:
            if not isinstance(stop, Reply):
                stop = await stop
            if stop is not None:
                return stop
    reply = route.respond(exchange)
    return reply if isinstance(reply, Reply) else await reply


def refusal(exchange: Exchange, error: GatewayError) -> Reply:
    """The reply that tells `error`, and the record's share of it."""
    exchange.code = error.code
    # Without its traceback, whose frames hold the exchange: a cycle a refusal would be garbage for the collector.
    exchange.error = error.with_traceback(None)
    return problem(error, exchange.request_id)


def _ours(exchange: Exchange, error: Exception) -> GatewayError:
    """A mistake of ours: the log has the trace, the caller nothing of it."""
    log.error("request %s failed in the gateway", exchange.request_id.decode("latin-1"), exc_info=error)
    return GatewayError(
        "internal_error", "Internal Server Error", blame=Blame.GATEWAY, cause=repr(error), close=True
    )
