"""The record of an exchange, final in shape: what the access log tells, and what is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from gwproxy.exchange import Exchange, Sender
from gwproxy.telemetry.histogram import Buckets, count
from gwproxy.telemetry.secrets import ALWAYS, without_secrets, without_segments


class Record:
    """One exchange, over. Times in milliseconds from its start; None where it never came to that."""

    __slots__ = (
        "address", "answered_by", "bytes_in", "bytes_out", "cache", "cause", "code", "connect_ms", "correlation_id",
        "first_byte_ms", "host", "limit", "method", "path", "principal", "request_id", "reused", "route", "service",
        "status", "target", "tenant", "time", "total_ms", "tries", "user_agent", "waited_ms",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, epoch: float, secret: frozenset[str] = ALWAYS) -> None:
        head, route = exchange.head, exchange.route
        self.total_ms = round((exchange.ended - exchange.started) * 1000, 3)
        self.time = epoch + exchange.started
        self.request_id = text_of(exchange.request_id)
        self.correlation_id = text_of(exchange.correlation_id)
        self.address = exchange.sender.address
        self.user_agent = text_of(head.fields.get(b"user-agent") or b"")
        who = exchange.sender.principal
        self.principal = who.id if who is not None else None
        self.tenant = tenant_of(exchange.sender)
        self.method = text_of(head.method)
        self.host = text_of(head.authority)
        hidden = route is not None and route.secrets
        path = without_segments(exchange.raw, hidden) if hidden else exchange.path
        self.path = text_of(path + without_secrets(exchange.query, secret))
        # That of requests which no route takes has none.
        self.route = (route.template or None) if route is not None else None
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
        self.limit: str | None = exchange.refused_by or None

    def as_dict(self) -> dict[str, Any]:
        """All fields by name, in the order that a line has them."""
        return {name: getattr(self, name) for name in _ORDER}


_ORDER = (
    "time", "request_id", "correlation_id", "address", "user_agent", "host", "principal", "tenant", "method", "path",
    "route", "service", "target", "status", "answered_by", "code", "cause", "bytes_in", "bytes_out", "total_ms",
    "first_byte_ms", "connect_ms", "waited_ms", "tries", "reused", "cache", "limit",
)  # fmt: skip


def tenant_of(sender: Sender) -> str | None:
    """The tenant that a request is served for, or else the one that the caller's credential names."""
    if sender.tenant is not None:
        return sender.tenant.name
    return sender.principal.tenant or None if sender.principal is not None else None


def text_of(data: bytes) -> str:
    """Bytes of others as text that loses nothing: what is no UTF-8 stands as \\xNN."""
    return data.decode("utf-8", "backslashreplace")


Taker = Callable[[list[Exchange], float], None]
"""Takes exchanges that have ended, and the epoch: when by the wall's clock the monotonic one stood at 0."""


AT_ONCE: Final = 64
"""Exchanges counted, and told of, in one go: some 100 µs."""
MOST_UNSORTED: Final = 1024
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

    __slots__ = ("_unsorted", "bytes_in", "bytes_out", "by_code", "by_service", "by_status", "exchanges", "tries")

    def __init__(self) -> None:
        self.exchanges = 0
        self.tries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.by_status = [0] * 600
        self.by_code: dict[str, int] = {}
        self.by_service: dict[str, Timings] = {}
        self._unsorted = 0

    def add(self, ended: list[Exchange]) -> None:
        """Count these."""
        by_status, by_service = self.by_status, self.by_service
        tries = bytes_in = bytes_out = 0
        for exchange in ended:
            tries += exchange.tries
            bytes_in += exchange.bytes_in
            bytes_out += exchange.bytes_out
            by_status[exchange.status] += 1
            if exchange.code:
                self.by_code[exchange.code] = self.by_code.get(exchange.code, 0) + 1
            try:
                timings = by_service[exchange.service]
            except KeyError:
                timings = by_service[exchange.service] = Timings()
            started = exchange.started
            timings.totals.append(exchange.ended - started)
            if exchange.first_byte:
                timings.firsts.append(exchange.first_byte - started)
        self._unsorted += len(ended)
        if self._unsorted >= MOST_UNSORTED:
            self._unsorted = 0
            for timings in by_service.values():
                timings.sort()
        self.exchanges += len(ended)
        self.tries += tries
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out


class Recorder:
    """Counts every exchange, and hands it on to whoever makes records or lines of it.

    An exchange that ends is only put down. What is made of it is made of many at a time: between two requests the same
    steps would take three times as long, for nothing that they need is at hand then.
    """

    __slots__ = ("_clock", "_counters", "_ended", "_take", "_wall")

    def __init__(
        self, clock: Callable[[], float], take: Taker | None, wall: Callable[[], float] = time.time
    ) -> None:
        self._counters = Counters()
        self._clock = clock
        self._wall = wall
        self._take = take
        self._ended: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> None:
        """The one place where an exchange is recorded."""
        exchange.ended = self._clock()
        ended = self._ended
        ended.append(exchange)
        if len(ended) >= AT_ONCE:
            self.settle()

    @property
    def counters(self) -> Counters:
        """What has been done until now."""
        self.settle()
        return self._counters

    def settle(self) -> None:
        """Count what has been put down, and hand it on. To be called ten times a second, for the sake of the last."""
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        self._counters.add(ended)
        if self._take is not None:
            self._take(ended, self._wall() - self._clock())
