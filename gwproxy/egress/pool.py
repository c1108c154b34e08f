"""The connections to one target: which to use next, which to keep, when to open one.

The pool decides and does no I/O but to ask `connect` for a connection. A connection is reserved by the call that
takes it, and comes back through `release` or `closed`, exactly once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from gwproxy.deadlines import NEVER, Wheel
from gwproxy.drive import Waiter
from gwproxy.egress.failures import out_of_time
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange

if TYPE_CHECKING:
    from gwproxy.egress.connection import Connection
    from gwproxy.egress.request import Times

# Common servers close idle connections after 5 s (Node, uvicorn) or 2 s (gunicorn). What may be sent only once does
# not ride on a connection that is about as old.
LONG_IDLE_S: Final = 1.5


class Pool:
    """All connections to one target. `prefix` and `authority` are what its URL gives a request's head."""

    def __init__(
        self,
        name: str,
        service: str,
        prefix: bytes,
        authority: bytes,
        wheel: Wheel,
        connect: Callable[[Pool, float], Awaitable[Connection]],
        *,
        max_connections: int = 1024,
        idle_timeout_s: float = 60.0,
        max_age_s: float = 3600.0,
    ) -> None:
        self.name = name
        self.service = service
        self.prefix = prefix
        self.authority = authority
        self.wheel = wheel
        self.max_connections = max_connections
        self.idle_timeout_s = idle_timeout_s
        self.max_age_s = max_age_s
        self._connect = connect
        self._idle: list[Connection] = []
        self._waiting: deque[_Turn] = deque()
        self.connections: set[Connection] = set()
        self.opening = 0
        self.retired = False

    def __repr__(self) -> str:
        return f"<Pool of {self.name}: {len(self.connections)} open, {len(self._idle)} idle, {self.opening} opening>"

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    def take(self, *, checked: bool) -> Connection | None:
        """An idle connection, reserved; None where there is none fit. The last one used comes first.

        `checked`: only one that was just asked whether its service has closed it, and has not been idle for long.
        """
        idle = self._idle
        if not idle:
            return None
        now = self.wheel.now
        while idle:
            connection = idle.pop()
            if now - connection.born > self.max_age_s:
                connection.close()
            elif checked and now - connection.idle_since > LONG_IDLE_S:
                # All below it have been idle for longer.
                idle.append(connection)
                return None
            elif checked and connection.ended():
                connection.close()
            else:
                return connection
        return None

    async def open(self, exchange: Exchange, times: Times, *, fresh: bool = False) -> Connection:
        """A connection of one's own: a new one, or at the pool's bound the next that comes free (unless `fresh`).

        Raises GatewayError: `overloaded` after `connect_s` at the bound, else what connecting raised.
        """
        if not self._waiting and self._full and self._idle:
            # Idle, but too old for this request: it makes room for a new one.
            self._idle[0].close()
        if self._waiting or self._full:
            connection = await self._turn(exchange, times, fresh=fresh)
            if connection is not None:
                return connection
        else:
            self.opening += 1
        started = self.wheel.tick()
        try:
            left = exchange.started + times.total_s - started
            connection = await self._connect(self, max(min(times.connect_s, times.timeout_s, left), 0.0))
        except BaseException:
            self.opening -= 1
            self._pass_on_place()
            raise
        finally:
            exchange.connect_s += self.wheel.tick() - started
        self.opening -= 1
        self.connections.add(connection)
        return connection

    @property
    def _full(self) -> bool:
        return len(self.connections) + self.opening >= self.max_connections

    async def _turn(self, exchange: Exchange, times: Times, *, fresh: bool) -> Connection | None:
        """Wait for a connection, or (given None) for a place to open one, which then counts as `opening`."""
        waiter = _Turn(self.service, fresh, exchange.started + times.total_s, times.total_s)
        started = self.wheel.tick()
        self._waiting.append(waiter)
        self.wheel.set(waiter, min(started + times.connect_s, waiter.end))
        try:
            connection: Connection | None = await waiter
        except BaseException:
            # Left, or too late. What is on its way to this waiter turns to the next (`_deliver`).
            waiter.ready = True
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            raise
        finally:
            waiter.due = NEVER
            exchange.waited_s += self.wheel.tick() - started
        return connection

    def release(self, connection: Connection) -> None:
        """The connection is ready for another request."""
        now = self.wheel.now
        if self.retired or now - connection.born > self.max_age_s:
            connection.close()
            return
        connection.idle_since = now
        if self._waiting:
            if self._waiting[0].fresh:
                connection.close()
                return
            # In the loop's next turn: whoever releases has an answer to give first.
            asyncio.get_running_loop().call_soon(self._deliver, self._waiting.popleft(), connection)
            return
        self._idle.append(connection)
        due = connection.due = now + self.idle_timeout_s
        if due < connection.filed:
            self.wheel.set(connection, due)

    def _deliver(self, waiter: _Turn, connection: Connection) -> None:
        """Hand a released connection over, if both are still there."""
        if waiter.ready:
            if not connection.is_closed:
                self.release(connection)
        elif not connection.is_closed:
            waiter.set(connection)
        elif self._full:
            self._waiting.appendleft(waiter)
        else:
            self.opening += 1
            waiter.set(None)

    def _pass_on_place(self) -> None:
        """A place is free: whoever has waited longest may open a connection."""
        if self._waiting and not self._full:
            self.opening += 1
            asyncio.get_running_loop().call_soon(self._deliver_place, self._waiting.popleft())

    def _deliver_place(self, waiter: _Turn) -> None:
        if waiter.ready:
            self.opening -= 1
            self._pass_on_place()
        else:
            waiter.set(None)

    def closed(self, connection: Connection, *, was_idle: bool) -> None:
        """The connection is gone."""
        self.connections.discard(connection)
        if was_idle and connection in self._idle:
            self._idle.remove(connection)
        self._pass_on_place()

    def retire(self) -> None:
        """Keep nothing from now on: close what is idle, and the rest when it comes back."""
        self.retired = True
        for connection in list(self._idle):
            connection.close()

    def close(self) -> None:
        """Close everything at once."""
        self.retired = True
        for connection in list(self.connections):
            connection.close()


class _Turn(Waiter):
    """A place in the queue, with an end. `fresh`: only a new connection will do."""

    __slots__ = ("due", "end", "filed", "fresh", "service", "total_s")

    def __init__(self, service: str, fresh: bool, end: float, total_s: float) -> None:
        super().__init__()
        self.due = NEVER
        self.filed = NEVER
        self.service = service
        self.fresh = fresh
        # When the whole exchange must end, and how long it had.
        self.end = end
        self.total_s = total_s

    def expired(self, now: float) -> None:
        cause = "no connection came free in time"
        if now >= self.end:
            self.fail(out_of_time(self.service, self.total_s, Phase.CONNECT, cause))
            return
        self.fail(
            GatewayError(
                "overloaded",
                f"Service {self.service} is busy",
                blame=Blame.GATEWAY,
                phase=Phase.CONNECT,
                cause=cause,
                unsent=True,
                retry_after_s=1,
            )
        )
