"""The loop that every request goes through: its route's checks, then one responder.

Most requests wait for nothing but one attempt on a service, and for these no coroutine is made (2 µs of 12). Where a
check must wait, what is left of the way goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any

from gwproxy.drive import Drive, Waiter
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
                    return stop if isinstance(stop, Reply) else Rest(exchange, route, stop, checks)
        outcome: Outcome = route.respond(exchange)
        return outcome
    except Exception as error:
        return failed(exchange, error)


class Rest(Waiter):
    """What is left of the way of a request from a check that must wait: no coroutine where a callback will do."""

    __slots__ = ("_checks", "_exchange", "_inner", "_responding", "_route")

    def __init__(
        self, exchange: Exchange, route: BoundRoute, stop: Waiter | Awaitable[Reply | None], checks: Iterator[Check]
    ) -> None:
        super().__init__()
        self._exchange = exchange
        self._route = route
        self._checks = checks
        self._responding = False
        self._inner: Waiter | Drive | None = None
        self._wait_for(stop)

    def resume(self, value: Any, error: BaseException | None) -> None:
        """What was waited for has come: a reply, or None where the way goes on."""
        self._inner = None
        if error is not None:
            self.fail(error)
        elif self._responding or isinstance(value, Reply):
            self.set(value)
        else:
            try:
                self._go_on()
            except Exception as failure:
                self.fail(failure)

    def cancel(self) -> None:
        """Nobody waits any more, for what is under way neither."""
        super().cancel()
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.cancel()

    def _go_on(self) -> None:
        exchange = self._exchange
        for check in self._checks:
            stop = check(exchange)
            if stop is not None:
                break
        else:
            self._responding = True
            stop = self._route.respond(exchange)
        if isinstance(stop, Reply):
            self.set(stop)
        else:
            self._wait_for(stop)

    def _wait_for(self, stop: Any) -> None:
        if isinstance(stop, Waiter):
            self._inner = stop
            stop.attach(self)
        else:
            driven = self._inner = Drive(_awaited(stop), self.resume)
            driven.start()


async def _awaited(stop: Awaitable[Any]) -> Any:
    return await stop


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
