"""The responder of a route that a service answers: the exchange becomes a request, the answer becomes the reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gwproxy.deadlines import Wheel
from gwproxy.egress.balance.round_robin import RoundRobin
from gwproxy.egress.forward import Attempt
from gwproxy.egress.pool import Pool
from gwproxy.egress.request import Answer, Request, Times
from gwproxy.exchange import Exchange, Reply
from gwproxy.steps.protect import bound_body, looped
from gwproxy.wire.answer import UNTIL_CLOSE
from gwproxy.wire.flow import Body
from gwproxy.wire.request import CHUNKED, RequestHead

NO_LENGTH = -2


class Forward:
    """Sends each exchange of one route to one service. `of_tenants` are targets that tenants have of their own."""

    __slots__ = (
        "_balance",
        "_make_path",
        "_max_body",
        "_of_tenants",
        "_only",
        "_preserve_host",
        "_service",
        "_times",
        "_wheel",
    )

    def __init__(
        self,
        service: str,
        balance: RoundRobin[Pool],
        times: Times,
        make_path: Callable[[bytes, list[bytes]], bytes],
        wheel: Wheel,
        *,
        preserve_host: bool,
        max_body: int,
        of_tenants: Mapping[str, RoundRobin[Pool]] | None = None,
    ) -> None:
        self._service = service
        self._balance = balance
        self._of_tenants = of_tenants
        # Nearly every service has one target: no call to find that out each time.
        self._only = balance.only if not of_tenants else None
        self._max_body = max_body
        self._times = times
        self._make_path = make_path
        self._wheel = wheel
        self._preserve_host = preserve_host

    def respond(self, exchange: Exchange) -> Attempt:
        """Ask the service. Raises GatewayError: loop_detected, body_too_large; the attempt may fail with others."""
        if exchange.sender.looped:
            raise looped()
        exchange.service = self._service
        request = self._request(exchange)
        exchange.sent = self._wheel.now
        return Attempt(exchange, self._only or self._picked(exchange), request, self._times)

    def conclude(self, exchange: Exchange, answer: Answer) -> Reply:
        """The service's answer as a reply."""
        exchange.first_byte = self._wheel.now
        exchange.answered_by = "service"
        return reply_of(exchange.method, answer)

    def _picked(self, exchange: Exchange) -> Pool:
        tenant = exchange.sender.tenant
        if self._of_tenants is None or tenant is None:
            return self._balance.pick()
        return self._of_tenants.get(tenant.name, self._balance).pick()

    def _request(self, exchange: Exchange) -> Request:
        path = self._make_path(exchange.path, exchange.raw) + exchange.query
        lines = b"%bX-Request-Id: %b\r\nX-Correlation-Id: %b\r\n" % (
            exchange.sender.lines, exchange.request_id, exchange.correlation_id,
        )  # fmt: skip
        head = exchange.head
        request = Request(exchange.method, path, lines)
        if self._preserve_host:
            request.host = head.authority
        body = exchange.body
        if body is not None:
            self._add_body(request, head, body)
        elif head.about.fields.content_length == 0:
            request.lines = lines + b"Content-Length: 0\r\n"
        return request

    def _add_body(self, request: Request, head: RequestHead, body: Body) -> None:
        bound_body(body, self._max_body)
        length = request.length = head.length
        if length == CHUNKED:
            request.lines += b"Transfer-Encoding: chunked\r\n"
        else:
            request.lines += b"Content-Length: %d\r\n" % length
        if body.done and length != CHUNKED:
            request.content = body.take()
            return
        request.body = body
        if head.expects:
            request.expects = True
            request.lines += b"Expect: 100-continue\r\n"


def reply_of(method: bytes, answer: Answer) -> Reply:
    """A service's answer, untouched but for what is hop by hop."""
    head = answer.head
    body = answer.body
    if isinstance(body, bytes):
        length = len(body)
        if length == 0 and (method == b"HEAD" or answer.status in (204, 304)):
            # No body was to come: what Content-Length says is about another answer (RFC 9110 section 8.6).
            length = head.content_length if head.content_length >= 0 and answer.status != 204 else NO_LENGTH
    else:
        length = CHUNKED if head.length in (CHUNKED, UNTIL_CLOSE) else head.length
    return Reply(answer.status, head.line, head.lines, body, length)
