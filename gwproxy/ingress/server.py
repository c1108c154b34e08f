"""aiohttp's server hosting our connections: it listens and ends, they answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from gwproxy.deadlines import NEVER, Wheel
from gwproxy.exchange import Exchange
from gwproxy.ingress.connection import Connection
from gwproxy.ingress.forwarded import Trust
from gwproxy.ingress.moving import hand_over
from gwproxy.snapshot.bind import Bound
from gwproxy.telemetry.ids import RequestIds

QUIET_S: Final = 5.0
"""After this without a request a connection keeps nothing of the last one."""

LOOK_S: Final = 0.5
"""How often connections whose reading is paused are asked whether their caller has gone."""

log = logging.getLogger("gwproxy")


class GatewayServer(web.Server):
    """What all connections of a worker share. Swapping `bound` is the whole of a reload."""

    def __init__(
        self, bound: Bound, wheel: Wheel, trust: Trust, ids: RequestIds, record: Callable[[Exchange], None]
    ) -> None:
        super().__init__(_unused)
        self.wheel = wheel
        # Bound methods: calling an object through its type's slot costs another 0.1 µs.
        self.ids: Callable[[], bytes] = ids.__call__
        self.paused: set[Connection] = set()
        self.draining = False
        # More connections than this are `full`'s to hear of: others may have fewer.
        self.full_at = NEVER
        self.full: Callable[[], None] | None = None
        self._emptied: asyncio.Event | None = None
        self._open: set[Connection] = set()
        self._record = record
        self._looking: asyncio.TimerHandle | None = None
        self._told: dict[str, bytes] = {}
        self.use(bound, trust)

    def use(self, bound: Bound, trust: Trust) -> None:
        """Serve `bound` from the next request on."""
        gateway = bound.snapshot.gateway
        self.bound = bound
        self.trust = trust
        self.max_head = int(gateway.max_request_head)
        self.max_connections = gateway.max_connections
        self.header_s = float(gateway.header_timeout)
        self.body_s = float(gateway.body_timeout)
        self.keepalive_s = float(gateway.keepalive_timeout)
        self.quiet_s = min(QUIET_S, self.keepalive_s)
        self.half_close = gateway.half_close
        self.expose = gateway.expose_service
        self._told = {}

    def __call__(self) -> Connection:  # type: ignore[override]
        return Connection(self)

    @property
    def connections(self) -> set[Connection]:  # type: ignore[override]
        """The callers' connections that are open."""
        return self._open

    def opened(self, connection: Connection) -> None:
        """A caller has come."""
        self._open.add(connection)
        if len(self._open) > self.full_at and self.full is not None:
            self.full()
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def gone(self, connection: Connection) -> None:
        """A caller's connection has closed."""
        self._open.discard(connection)
        self.paused.discard(connection)
        if self._emptied is not None and not self._open:
            self._emptied.set()

    def _look(self) -> None:
        for connection in list(self.paused):
            connection.look()
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look) if self._open else None

    def told(self, exchange: Exchange) -> bytes:
        """The gateway's own fields of a reply."""
        # Not the wheel's, which is the time of the news: a reply of our own would always take 0.00 ms.
        now = self.wheel.clock()
        total_ms = (now - exchange.started) * 1000
        if not exchange.service or not self.expose:
            return b"X-Request-Id: %b\r\nX-Latency: %.2f\r\n" % (exchange.request_id, total_ms)
        told = self._told.get(exchange.service)
        if told is None:
            name = exchange.service.encode()
            told = self._told[exchange.service] = b"X-Service: %b\r\nServer-Timing: %b;dur=" % (name, name)
        service_ms = ((exchange.first_byte or now) - exchange.sent) * 1000 if exchange.sent else 0.0
        return b"X-Request-Id: %b\r\nX-Latency: %.2f\r\n%b%.2f, gateway;dur=%.2f\r\n" % (
            exchange.request_id, total_ms, told, service_ms, max(total_ms - service_ms, 0.0),
        )  # fmt: skip

    def over(self, exchange: Exchange) -> None:
        """An exchange has ended. A record that cannot be written never fails what comes after it."""
        exchange.caller = None
        try:
            self._record(exchange)
        except Exception:
            log.exception("request %s could not be recorded", exchange.request_id.decode("latin-1"))

    async def emptied(self) -> None:
        """Wait until the last connection has closed."""
        if self._open:
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    def drain(self) -> None:
        """From here every reply is its connection's last."""
        self.draining = True
        self.wheel.tick()
        for connection in list(self._open):
            connection.end_idle()

    def hand_over(self) -> list[int]:
        """Descriptors of the connections that are idle, which are gone from here."""
        handed = (hand_over(connection) for connection in list(self._open))
        return [fd for fd in handed if fd is not None]

    async def shutdown(self, timeout: float | None = None) -> None:
        """Cut what is still open."""
        for connection in list(self._open):
            connection.kill()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None


async def _unused(request: Any) -> Any:
    raise AssertionError("our connections answer")
