"""A record as one line of JSON, straight from the exchange: made for every request, so made of few steps.

What is the same for many requests is rendered once: who sent them (kept with the Sender, which lives as long as a
connection's heads are alike), the route, the target. tests/unit/test_line.py holds every line to what Record says.
"""

from __future__ import annotations

import re
import time
from typing import Final

import orjson

from gwproxy.exchange import Exchange
from gwproxy.telemetry.record import text_of
from gwproxy.telemetry.secrets import ALWAYS, without_secrets, without_segments

# Visible ASCII without the quote and the backslash needs no escape.
_PLAIN: Final = re.compile(rb"[!#-\[\]-~]*")
MOST_REMEMBERED: Final = 4096
LONGEST_REMEMBERED: Final = 256
LONGEST_AGENT: Final = 512
LONGEST_CAUSE: Final = 512
NO_WAITS: Final = b'"connect_ms":0,"waited_ms":0'
LONGEST: Final = 4096
"""A line fits into one write to a pipe (PIPE_BUF), which the kernel keeps whole; what is made longer is cut."""


class Lines:
    """Renders exchanges. One a worker, for the sake of what it remembers; `secret` are names that are kept out."""

    __slots__ = ("_outcomes", "_paths", "_second", "_stamp", "secret")

    def __init__(self, secret: frozenset[str] = ALWAYS) -> None:
        self.secret = secret
        self._second = -1
        self._stamp = b""
        self._paths: dict[bytes, bytes] = {}
        self._outcomes: dict[tuple[str, str, str, int, str, str], bytes] = {}

    def __call__(self, exchange: Exchange, now: float, wall: float) -> bytes:
        """The line of `exchange`, which has ended at `now` (monotonic) and `wall` (since 1970)."""
        path, route = exchange.path, exchange.route
        if route is not None and route.secrets:
            path = without_segments(exchange.raw, route.secrets)
        if exchange.query:
            path += without_secrets(exchange.query, self.secret)
        told = exchange.sender.told or _told(exchange)
        line = self._line(exchange, now, wall, told, exchange.method, path, LONGEST_CAUSE)
        if len(line) > LONGEST:
            line = self._line(exchange, now, wall, _told_short(exchange), exchange.method[:16], path[:200], 100)
        return line

    def _line(
        self, exchange: Exchange, now: float, wall: float, told: bytes, method: bytes, path: bytes, cause: int
    ) -> bytes:
        started = exchange.started
        total_s = now - started
        began = wall - total_s
        second = int(began)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        route = exchange.route
        key = (
            "" if route is None else route.template, exchange.service, exchange.target, exchange.status,
            exchange.answered_by, exchange.code,
        )  # fmt: skip
        try:
            outcome = self._outcomes[key]
        except KeyError:
            outcome = self._outcome(key)
        first, error = exchange.first_byte, exchange.error
        connect_s, waited_s = exchange.connect_s, exchange.waited_s
        return (
            b'{"time":"%b.%03dZ","request_id":"%b","correlation_id":"%b",%b,"principal":null,"tenant":null,'
            b'"method":"%b","path":"%b",%b,"cause":%b,"bytes_in":%d,"bytes_out":%d,"total_ms":%.3f,'
            b'"first_byte_ms":%b,%b,"tries":%d,"reused":%b,"cache":null,"limit":null}\n'
        ) % (
            self._stamp, int((began - second) * 1000), exchange.request_id, exchange.correlation_id,
            told, method, self._paths.get(path) or self._path(path), outcome,
            b"null" if error is None else _cause(error, cause), exchange.bytes_in, exchange.bytes_out,
            total_s * 1000, b"%.3f" % ((first - started) * 1000) if first else b"null",
            _waits(connect_s, waited_s) if connect_s or waited_s else NO_WAITS,
            exchange.tries, b"true" if exchange.reused else b"false",
        )  # fmt: skip

    def _path(self, path: bytes) -> bytes:
        """A path as JSON. Callers ask for few at a time; finding that one needs no escape takes longer than to know."""
        if len(self._paths) >= MOST_REMEMBERED:
            self._paths.clear()
        shown = path if _PLAIN.fullmatch(path) else quoted(path)
        if len(path) <= LONGEST_REMEMBERED:
            self._paths[path] = shown
        return shown

    def _outcome(self, key: tuple[str, str, str, int, str, str]) -> bytes:
        """What became of a request, which is the same for most: rendered once, and remembered."""
        if len(self._outcomes) >= MOST_REMEMBERED:
            self._outcomes.clear()
        *names, status, answered_by, code = key
        route, service, target, reason = (orjson.dumps(text or None) for text in (*names, code))
        outcome = self._outcomes[key] = (
            b'"route":%b,"service":%b,"target":%b,"status":%d,"answered_by":"%b","code":%b'
        ) % (route, service, target, status, answered_by.encode(), reason)
        return outcome


def _waits(connect_s: float, waited_s: float) -> bytes:
    """What a request has waited for before it was sent."""
    return b'"connect_ms":%b,"waited_ms":%b' % tuple(
        b"%.3f" % (seconds * 1000) if seconds else b"0" for seconds in (connect_s, waited_s)
    )


def quoted(data: bytes) -> bytes:
    """What stands between the quotes of a JSON string; bytes that are no UTF-8 as \\xNN."""
    return orjson.dumps(text_of(data))[1:-1]


def _told(exchange: Exchange) -> bytes:
    """Who sent it, rendered once for all requests that are alike."""
    head, sender = exchange.head, exchange.sender
    agent = (head.fields.get(b"user-agent") or b"")[:LONGEST_AGENT]
    sender.told = told = b'"address":"%b","user_agent":"%b","host":"%b"' % (
        quoted(sender.address.encode()), quoted(agent), quoted(head.authority),
    )  # fmt: skip
    return told


def _told_short(exchange: Exchange) -> bytes:
    """As much as is worth having of a sender who sends much too much."""
    agent = (exchange.head.fields.get(b"user-agent") or b"")[:50]
    address, host = exchange.sender.address.encode(), exchange.head.authority[:100]
    return b'"address":"%b","user_agent":"%b","host":"%b"' % (quoted(address), quoted(agent), quoted(host))


def _cause(error: BaseException, longest: int) -> bytes:
    cause = getattr(error, "cause", "")
    return orjson.dumps(cause[:longest]) if cause else b"null"
