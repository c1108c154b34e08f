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
        self._waiting: deque[Waiter] = deque()
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

    async def open(self, exchange: Exchange, times: Times) -> Connection:
        """A connection of one's own: a new one, or where the pool is at its bound the next that comes free.

        Raises GatewayError: `overloaded` after `connect_s` at the bound, else what connecting raised.
        """
        while len(self.connections) + self.opening >= self.max_connections:
            connection = await self._turn(exchange, times)
            if connection is not None:
                return connection
        started = self.wheel.tick()
        self.opening += 1
        try:
            connection = await self._connect(self, min(times.connect_s, times.timeout_s))
        except BaseException:
            self._pass_on(None)
            raise
        finally:
            self.opening -= 1
            exchange.connect_s += self.wheel.tick() - started
        self.connections.add(connection)
        return connection

    async def _turn(self, exchange: Exchange, times: Times) -> Connection | None:
        """Wait for a connection (or, given None, for the right to open one)."""
        waiter = _Turn(self.service)
        started = self.wheel.tick()
        self._waiting.append(waiter)
        self.wheel.set(waiter, started + times.connect_s)
        try:
            connection: Connection | None = await waiter
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif waiter.granted is not None:
                self.release(waiter.granted)
            else:
                self._pass_on(None)
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
        if self._waiting:
            self._pass_on(connection)
            return
        connection.idle_since = now
        self._idle.append(connection)
        due = connection.due = now + self.idle_timeout_s
        if due < connection.filed:
            self.wheel.set(connection, due)

    def _pass_on(self, connection: Connection | None) -> None:
        """Let the longest waiting have it, in the loop's next turn: whoever releases has an answer to give first."""
        if self._waiting:
            waiter = self._waiting.popleft()
            if isinstance(waiter, _Turn):
                waiter.granted = connection
            asyncio.get_running_loop().call_soon(waiter.set, connection)

    def closed(self, connection: Connection, *, was_idle: bool) -> None:
        """The connection is gone."""
        self.connections.discard(connection)
        if was_idle and connection in self._idle:
            self._idle.remove(connection)
        self._pass_on(None)

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
    """A place in the queue, with an end."""

    __slots__ = ("due", "filed", "granted", "service")

    def __init__(self, service: str) -> None:
        super().__init__()
        self.due = NEVER
        self.filed = NEVER
        self.service = service
        self.granted: Connection | None = None

    def expired(self, now: float) -> None:
        self.fail(
            GatewayError(
                "overloaded",
                f"Service {self.service} is busy",
                blame=Blame.GATEWAY,
                phase=Phase.CONNECT,
                cause="no connection came free in time",
                unsent=True,
                retry_after_s=1,
            )  # fmt: skip
        )
