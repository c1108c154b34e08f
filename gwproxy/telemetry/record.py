"""The record of an exchange, final in shape: what the access log tells, and what is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from gwproxy.exchange import Exchange
from gwproxy.telemetry.histogram import Buckets, count
from gwproxy.telemetry.secrets import ALWAYS, without_secrets, without_segments


class Record:
    """One exchange, over. Times in milliseconds from its start; None where it never came to that."""

    __slots__ = (
        "address", "answered_by", "bytes_in", "bytes_out", "cache", "cause", "code", "connect_ms", "correlation_id",
        "first_byte_ms", "host", "limit", "method", "path", "principal", "request_id", "reused", "route", "service",
        "status", "target", "tenant", "time", "total_ms", "tries", "user_agent", "waited_ms",
    )  # fmt: skip

    def __init__(
        self, exchange: Exchange, now: float, wall: float, secret: frozenset[str] = ALWAYS
    ) -> None:
        head, route = exchange.head, exchange.route
        self.total_ms = round((now - exchange.started) * 1000, 3)
        self.time = wall - (now - exchange.started)
        self.request_id = text_of(exchange.request_id)
        self.correlation_id = text_of(exchange.correlation_id)
        self.address = exchange.sender.address
        self.user_agent = text_of(head.fields.get(b"user-agent") or b"")
        self.principal: str | None = None
        self.tenant: str | None = None
        self.method = text_of(head.method)
        self.host = text_of(head.authority)
        hidden = route is not None and route.secrets
        path = without_segments(exchange.raw, hidden) if hidden else exchange.path
        self.path = text_of(path + without_secrets(exchange.query, secret))
        self.route = route.template if route is not None else None
        self.service = exchange.service or None
        self.target = exchange.target or None
        self.status = exchange.status
        self.answered_by = exchange.answered_by
        self.code = exchange.code or None
        self.cause = getattr(exchange.error, "cause", "") or None
        self.bytes_in = exchange.bytes_in
        self.bytes_out = exchange.bytes_out
        first = exchange.first_byte
        self.first_byte_ms = round((first - exchange.started) * 1000, 3) if first else None
        self.connect_ms = round(exchange.connect_s * 1000, 3)
        self.waited_ms = round(exchange.waited_s * 1000, 3)
        self.tries = exchange.tries
        self.reused = exchange.reused
        self.cache: str | None = None
        self.limit: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """All fields by name, in the order that a line has them."""
        return {name: getattr(self, name) for name in _ORDER}


_ORDER = (
    "time", "request_id", "correlation_id", "address", "user_agent", "host", "principal", "tenant", "method", "path",
    "route", "service", "target", "status", "answered_by", "code", "cause", "bytes_in", "bytes_out", "total_ms",
    "first_byte_ms", "connect_ms", "waited_ms", "tries", "reused", "cache", "limit",
)  # fmt: skip


def text_of(data: bytes) -> str:
    """Bytes of others as text that loses nothing: what is no UTF-8 stands as \\xNN."""
    return data.decode("utf-8", "backslashreplace")


Taker = Callable[[Exchange, float, float], None]
"""Takes an exchange that has ended, and when: by the monotonic clock and by the wall's."""


AT_ONCE: Final = 1024
"""Durations sorted in one go: some 200 µs."""


class Timings:
    """How long what a service answered took, or (under the name "") what the gateway answered itself.

    Durations are put down as they come, and sorted into their buckets many at a time: between two requests that would
    take five times as long, for nothing that it needs is at hand then.
    """

    __slots__ = ("_first_byte", "_total", "firsts", "totals")

    def __init__(self) -> None:
        self._total: Buckets = {}
        self._first_byte: Buckets = {}
        self.totals: list[float] = []
        self.firsts: list[float] = []

    def sort(self) -> None:
        """Count what has been put down."""
        count(self._total, self.totals)
        count(self._first_byte, self.firsts)
        self.totals.clear()
        self.firsts.clear()

    @property
    def total(self) -> Buckets:
        """To the last byte of the reply."""
        self.sort()
        return self._total

    @property
    def first_byte(self) -> Buckets:
        """To the first byte of the service's answer."""
        self.sort()
        return self._first_byte


class Counters:
    """What a worker has done, in plain integers."""

    __slots__ = ("bytes_in", "bytes_out", "by_code", "by_service", "by_status", "exchanges", "tries")

    def __init__(self) -> None:
        self.exchanges = 0
        self.tries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.by_status = [0] * 600
        self.by_code: dict[str, int] = {}
        self.by_service: dict[str, Timings] = {}


class Recorder:
    """Counts every exchange, and hands it on with the time to whoever makes records or lines of it."""

    __slots__ = ("_clock", "_take", "counters")

    def __init__(self, clock: Callable[[], float], take: Taker | None) -> None:
        self.counters = Counters()
        self._clock = clock
        self._take = take

    def __call__(self, exchange: Exchange) -> None:
        """The one place where an exchange is recorded."""
        counters = self.counters
        counters.exchanges += 1
        counters.tries += exchange.tries
        counters.bytes_in += exchange.bytes_in
        counters.bytes_out += exchange.bytes_out
        counters.by_status[exchange.status] += 1
        if exchange.code:
            counters.by_code[exchange.code] = counters.by_code.get(exchange.code, 0) + 1
        now = self._clock()
        try:
            timings = counters.by_service[exchange.service]
        except KeyError:
            timings = counters.by_service[exchange.service] = Timings()
        started, totals = exchange.started, timings.totals
        totals.append(now - started)
        if exchange.first_byte:
            timings.firsts.append(exchange.first_byte - started)
        if len(totals) >= AT_ONCE:
            timings.sort()
        if self._take is not None:
            self._take(exchange, now, time.time())
