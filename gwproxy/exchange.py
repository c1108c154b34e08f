"""One request and its answer on their way through the gateway: all that is known of them, in one slotted object.

A leaf: it names types of the rooms that fill it, and imports none of them to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gwproxy.auth.principal import Principal
    from gwproxy.auth.tenant import Tenant
    from gwproxy.wire.fields import Fields
    from gwproxy.wire.flow import Body
    from gwproxy.wire.request import RequestHead


class Caller(Protocol):
    """The connection a request came on, as far as the way of a request needs it."""

    def interim(self, status: int, fields: Fields | None) -> None:
        """Pass an interim answer (1xx) on."""


class Sender:
    """Who sent a request, and what we tell the service of that: the same for all heads of a connection that are alike.

    `address` is the client's (a trusted proxy's word for it, where there is one), `trusted` whether the peer itself
    is a trusted proxy, `lines` the fields that go to the service, `request_id` and `correlation_id` a trusted
    proxy's, and `looped` that this very gateway has forwarded the request before. `principal` is who it proved to be.
    """

    __slots__ = (
        "address", "at", "by", "correlation_id", "host", "known", "lines", "looped", "member", "principal", "proto",
        "request_id", "tenant", "told", "trusted", "until", "who",
    )  # fmt: skip

    def __init__(self, address: str = "", proto: bytes = b"http", host: bytes = b"") -> None:
        self.address = address
        self.trusted = False
        self.lines = b""
        self.request_id = b""
        self.correlation_id = b""
        self.looped = False
        # Its share of an access log line, once rendered (telemetry/line.py).
        self.told = b""
        # Under which name it is counted, and under which its address, once asked for (limits/caller.py).
        self.who = ""
        self.at = ""
        self.proto = proto
        self.host = host
        self.principal: Principal | None = None
        # What it proved to be (None: nothing, and there is nothing to hide from services either), until when by the
        # wall clock, and to whom (steps/authenticate.py).
        self.known: Sender | None = None
        self.until = 0.0
        self.by: object = None
        # The tenant that it asks for, and the sender as one of that tenant's (steps/tenancy.py).
        self.tenant: Tenant | None = None
        self.member: Sender | None = None

    def copy(self, lines: bytes) -> Sender:
        """The same sender, of whom services are told `lines`."""
        sender = Sender(self.address, self.proto, self.host)
        sender.trusted = self.trusted
        sender.lines = lines
        sender.request_id = self.request_id
        sender.correlation_id = self.correlation_id
        sender.looped = self.looped
        sender.at = self.at
        return sender


class Exchange:
    """One request and its answer. Times are monotonic seconds; 0.0 where it never came to that.

    `tenant` is what the request names as one, on routes that look for it, and not there on others.
    """

    tenant: Tenant | None

    __slots__ = (
        "answered_by", "body", "bytes_in", "bytes_out", "caller", "code", "connect_s", "correlation_id", "ended",
        "error", "first_byte", "head", "limits", "method", "path", "query", "raw", "refused_by", "request_id",
        "reused", "route", "sender", "sent", "service", "started", "status", "target", "tenant", "tries", "waited_s",
    )  # fmt: skip

    def __init__(self, head: RequestHead, sender: Sender, started: float) -> None:
        self.head = head
        self.method = head.method
        self.sender = sender
        self.body: Body | None = None
        self.started = started
        path, mark, query = head.target.partition(b"?")
        self.path = path
        # With its "?", so that an empty query stays one.
        self.query = mark + query
        self.raw: list[bytes] = []
        self.route: Any = None
        self.caller: Caller | None = None
        self.request_id = b""
        self.correlation_id = b""
        # What the record tells.
        self.status = 0
        self.code = ""
        self.answered_by = "gateway"
        self.error: BaseException | None = None
        self.service = ""
        self.target = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.sent = 0.0
        self.first_byte = 0.0
        self.connect_s = 0.0
        self.waited_s = 0.0
        self.tries = 0
        self.reused = False
        self.ended = 0.0
        # Field lines that tell of its limits, and the key of the one that refused.
        self.limits = b""
        self.refused_by = ""

    def apart(self) -> Exchange:
        """The same request, for what comes when nobody waits for its answer any more: this one's record is told."""
        return Exchange(self.head, self.sender, self.started)


class Reply:
    """What goes back to the caller. `head` is the status line, `lines` whole field lines, each with its CRLF.

    `body` is the whole body, or one under way; `length` is what Content-Length shall say (-1: chunked, or until the
    connection closes for a caller of HTTP/1.0; -2: the field is left out, as in a 304 without one).
    """

    __slots__ = ("body", "close", "head", "length", "lines", "status")

    def __init__(self, status: int, head: bytes, lines: bytes, body: bytes | Body, length: int) -> None:
        self.status = status
        self.head = head
        self.lines = lines
        self.body = body
        self.length = length
        self.close = False
