"""A record as one line of JSON, straight from the exchange: made for every request, so made of few steps.

What is the same for many requests is rendered once: who sent them (kept with the Sender, which lives as long as a
connection's heads are alike), the route, the target. tests/unit/test_line.py holds every line to what Record says.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Final

import orjson

from gwproxy.exchange import Exchange
from gwproxy.telemetry.record import tenant_of, text_of
from gwproxy.telemetry.secrets import ALWAYS, without_secrets, without_segments

log = logging.getLogger("gwproxy")

# Visible ASCII without the quote and the backslash needs no escape.
_PLAIN: Final = re.compile(rb"[!#-\[\]-~]*")
MOST_REMEMBERED: Final = 4096
LONGEST_REMEMBERED: Final = 256
LONGEST_AGENT: Final = 512
LONGEST_CAUSE: Final = 512
LONGEST: Final = 4096
"""A line fits into one write to a pipe (PIPE_BUF), which the kernel keeps whole; what is made longer is cut."""
# What makes a usual line is bounded, each for itself, so that the whole needs no look.
LONGEST_TOLD: Final = 1500
LONGEST_OUTCOME: Final = 900
LONGEST_ASKED: Final = 1024
_BEGIN: Final = b'{"time":"%b.%03dZ","request_id":"'
_CORRELATION: Final = b'","correlation_id":"'
_SENDER: Final = b'",'
_PATH: Final = b'","path":"'
_SIZES: Final = b',"cause":%b,"bytes_in":%d,"bytes_out":%d,"total_ms":%.3f,"first_byte_ms":%b'
_USUAL: Final = b',"cause":null,"bytes_in":%d,"bytes_out":%d,"total_ms":%.3f,"first_byte_ms":%.3f'
_END: Final = b',"connect_ms":%b,"waited_ms":%b,"tries":%d,"reused":%b,"cache":null,"limit":%b}\n'
_USUAL_END: Final = tuple(_END % (b"0", b"0", 1, reused, b"null") for reused in (b"false", b"true"))


class Lines:
    """Renders exchanges. One a worker, for the sake of what it remembers; `secret` are names that are kept out."""

    __slots__ = ("_outcomes", "_paths", "_second", "_stamp", "secret")

    def __init__(self, secret: frozenset[str] = ALWAYS) -> None:
        self.secret = secret
        self._second = -1
        self._stamp = b""
        self._paths: dict[bytes, bytes] = {}
        self._outcomes: dict[tuple[str, str, str, int, str, str], bytes] = {}

    def __call__(self, ended: list[Exchange], epoch: float) -> tuple[bytes, int]:
        """Lines of exchanges that have ended, and how many could be made.

        `epoch`: when by the wall's clock the monotonic one stood at 0.
        """
        parts: list[bytes] = []
        outcomes, paths, secret = self._outcomes, self._paths, self.secret
        made, last, began = 0, -1, b""
        for exchange in ended:
            try:
                path, route, started = exchange.path, exchange.route, exchange.started
                if route is None:
                    template = ""
                else:
                    template = route.template
                    if route.secrets:
                        path = without_segments(exchange.raw, route.secrets)
                if exchange.query:
                    path += without_secrets(exchange.query, secret)
                moment = int((epoch + started) * 1000)
                if moment != last:
                    began, last = self._began(moment), moment
                key = (
                    template, exchange.service, exchange.target, exchange.status, exchange.answered_by, exchange.code,
                )  # fmt: skip
                try:
                    outcome = outcomes[key]
                except KeyError:
                    outcome = self._outcome(key)
                told = exchange.sender.told or _told(exchange)
                first, method, shown = exchange.first_byte, exchange.method, paths.get(path) or self._path(path)
                if (
                    first and exchange.tries == 1 and exchange.error is None
                    and not exchange.connect_s and not exchange.waited_s
                    and len(shown) + len(method) <= LONGEST_ASKED
                ):  # fmt: skip
                    # What most requests are like, in as few steps as it takes.
                    parts += (
                        began, exchange.request_id, _CORRELATION, exchange.correlation_id, _SENDER, told, method,
                        _PATH, shown, outcome,
                        _USUAL % (
                            exchange.bytes_in, exchange.bytes_out, (exchange.ended - started) * 1000,
                            (first - started) * 1000,
                        ),
                        _USUAL_END[exchange.reused],
                    )  # fmt: skip
                else:
                    parts.append(self._line(exchange, began, told, path, shown, outcome))
                made += 1
            except Exception:
                log.exception("a line of the access log could not be made")
        return b"".join(parts), made

    def _line(
        self, exchange: Exchange, began: bytes, told: bytes, path: bytes, shown: bytes, outcome: bytes
    ) -> bytes:
        """Any line, cut where it would be too long."""
        line = _whole(exchange, began, told, exchange.method, shown, outcome, LONGEST_CAUSE)
        if len(line) > LONGEST:
            shown = self._path(path[:200])
            line = _whole(exchange, began, told, exchange.method[:16], shown, outcome, 100)
        return line

    def _began(self, moment: int) -> bytes:
        """How all lines begin of what began within this millisecond."""
        second, thousandths = divmod(moment, 1000)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return _BEGIN % (self._stamp, thousandths)

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
        outcome = _outcome(*key)
        if len(outcome) > LONGEST_OUTCOME:
            template, service, target, status, answered_by, code = key
            outcome = _outcome(template[:40], service[:40], target[:40], status, answered_by, code)
        self._outcomes[key] = outcome
        return outcome


def _outcome(template: str, service: str, target: str, status: int, answered_by: str, code: str) -> bytes:
    route, to, at, reason = (orjson.dumps(text or None) for text in (template, service, target, code))
    return (
        b'","route":%b,"service":%b,"target":%b,"status":%d,"answered_by":"%b","code":%b'
        % (route, to, at, status, answered_by.encode(), reason)
    )  # fmt: skip


def _whole(
    exchange: Exchange, began: bytes, told: bytes, method: bytes, path: bytes, outcome: bytes, cause: int
) -> bytes:
    """A line with all that can be in it."""
    started, first, error = exchange.started, exchange.first_byte, exchange.error
    sizes = _SIZES % (
        b"null" if error is None else _cause(error, cause), exchange.bytes_in, exchange.bytes_out,
        (exchange.ended - started) * 1000, _milliseconds(first - started) if first else b"null",
    )  # fmt: skip
    end = _END % (
        _milliseconds(exchange.connect_s), _milliseconds(exchange.waited_s), exchange.tries,
        b"true" if exchange.reused else b"false",
        orjson.dumps(exchange.refused_by[:200] or None),
    )  # fmt: skip
    return b"".join((
        began, exchange.request_id, _CORRELATION, exchange.correlation_id, _SENDER, told, method, _PATH, path,
        outcome, sizes, end,
    ))  # fmt: skip


def _milliseconds(seconds: float) -> bytes:
    return b"%.3f" % (seconds * 1000) if seconds else b"0"


def quoted(data: bytes) -> bytes:
    """What stands between the quotes of a JSON string; bytes that are no UTF-8 as \\xNN."""
    return orjson.dumps(text_of(data))[1:-1]


def _told(exchange: Exchange) -> bytes:
    """Who sent it, rendered once for all requests that are alike; of who sends too much, what is worth having."""
    head, sender = exchange.head, exchange.sender
    agent, host = head.fields.get(b"user-agent") or b"", head.authority
    who = sender.principal
    # As long as auth/principal.py lets them be, so that the whole needs no other look.
    proved = (who.id if who is not None else None, tenant_of(sender))
    told = _sender(sender.address, agent[:LONGEST_AGENT], host, *proved)
    if len(told) > LONGEST_TOLD:
        told = _sender(sender.address, agent[:50], host[:100], *proved)
    sender.told = told
    return told


def _sender(address: str, agent: bytes, host: bytes, principal: str | None, tenant: str | None) -> bytes:
    return b'"address":"%b","user_agent":"%b","host":"%b","principal":%b,"tenant":%b,"method":"' % (
        quoted(address.encode()), quoted(agent), quoted(host), orjson.dumps(principal), orjson.dumps(tenant),
    )  # fmt: skip


def _cause(error: BaseException, longest: int) -> bytes:
    cause = getattr(error, "cause", "")
    return orjson.dumps(cause[:longest]) if cause else b"null"
