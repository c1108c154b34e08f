"""The loop that every request goes through: its route's checks, one responder, the finishers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gwproxy.errors import Blame, GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.replies import problem
from gwproxy.snapshot.bind import Bound, BoundRoute

log = logging.getLogger("gwproxy")


async def run(exchange: Exchange, bound: Bound, send: Callable[[Exchange, Reply], None]) -> None:
    """Find the reply to `exchange` and `send` it. Every failure is a reply of its own; only cancellation is raised."""
    route: BoundRoute | None = None
    try:
        about = exchange.head.about
        compiled, exchange.raw = bound.match(about.host, exchange.method, exchange.path, about.fields)
        exchange.route = compiled
        route = bound.routes[compiled.index]
        for check in route.checks:
            stop = check(exchange)
            if stop is not None:
                if not isinstance(stop, Reply):
                    stop = await stop
                if stop is not None:
                    reply = stop
                    break
        else:
            found = route.respond(exchange)
            reply = found if isinstance(found, Reply) else await found
    except GatewayError as error:
        reply = refusal(exchange, error)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        reply = refusal(exchange, _ours(exchange, error))
    if route is not None:
        for finish in route.finishers:
            finish(exchange, reply)
    send(exchange, reply)


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
