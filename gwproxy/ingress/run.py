"""The loop that every request goes through: its route's checks, then one responder.

Most requests wait for nothing but one attempt on a service, and for these no coroutine is made (2 µs of 12). Where a
check must wait, what is left of the way goes on as one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any

from gwproxy.drive import Waiter
from gwproxy.errors import Blame, GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.replies import problem
from gwproxy.snapshot.bind import Bound, BoundRoute
from gwproxy.snapshot.order import Check

log = logging.getLogger("gwproxy")

Outcome = Reply | Waiter | Coroutine[Any, Any, Any]
"""The reply, or what is waited for (an attempt, or the rest of the way), whose outcome `conclude` makes a reply of."""


def begin(exchange: Exchange, bound: Bound) -> Outcome:
    """Go as far as nothing has to be waited for. Every failure is a reply of its own."""
    try:
        about = exchange.head.about
        compiled, exchange.raw = bound.match(about.host, exchange.method, exchange.path, about.fields)
        route = exchange.route = bound.routes[compiled.index]
        if route.checks:
            checks = iter(route.checks)
            for check in checks:
                stop = check(exchange)
                if stop is not None:
                    return stop if isinstance(stop, Reply) else _rest(exchange, route, stop, checks)
        outcome: Outcome = route.respond(exchange)
        return outcome
    except Exception as error:
        return failed(exchange, error)


async def _rest(
    exchange: Exchange, route: BoundRoute, stop: Awaitable[Reply | None], checks: Iterator[Check]
) -> Any:
    """From a check that must wait."""
    reply = await stop
    while reply is None:
        check = next(checks, None)
        if check is None:
            found = route.respond(exchange)
            return found if isinstance(found, Reply) else await found
        again = check(exchange)
        reply = again if again is None or isinstance(again, Reply) else await again
    return reply


def conclude(exchange: Exchange, value: Any, error: BaseException | None) -> Reply:
    """The reply, from what has been waited for. Raises what is no failure of the exchange (CancelledError)."""
    if error is None:
        if isinstance(value, Reply):
            return value
        try:
            reply: Reply = exchange.route.conclude(exchange, value)
            return reply
        except Exception as mistake:
            error = mistake
    if not isinstance(error, Exception):
        raise error
    return failed(exchange, error)


def failed(exchange: Exchange, error: Exception) -> Reply:
    """The reply that tells `error`, and the record's share of it."""
    if not isinstance(error, GatewayError):
        error = _ours(exchange, error)
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
