"""The exchanges of one connection, one after another: from a whole head to the last byte of its reply.

Invariants: one exchange at a time; a reply is begun at most once, and ends whole or visibly cut; every exchange is
recorded once, in `_over`; when the caller is gone, so is what was done for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gwproxy.drive import Drive, Waiter
from gwproxy.errors import CLIENT_CLOSED, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply, Sender
from gwproxy.ingress.forwarded import Peer, Trust
from gwproxy.ingress.moving import give_away
from gwproxy.ingress.run import begin, conclude, failed
from gwproxy.ingress.upload import Upload
from gwproxy.ingress.writer import ReplyWriter
from gwproxy.wire.fields import Fields
from gwproxy.wire.receiver import REPLYING
from gwproxy.wire.request import CHUNKED, FieldsOfRequest, RequestHead

if TYPE_CHECKING:
    import asyncio

    from gwproxy.ingress.connection import Connection
    from gwproxy.ingress.server import GatewayServer

MAX_REQUESTS: Final = 10_000
NOBODY: Final = Sender("", b"http", b"")


class Serving:
    """What a connection is serving. `last`: the reply under way, or else the next, is the connection's last."""

    __slots__ = (
        "_about", "_connection", "_peer", "_sender", "_server", "_trust", "_waits", "exchange", "last", "served",
        "upload", "writer",
    )  # fmt: skip

    def __init__(self, connection: Connection, server: GatewayServer) -> None:
        self._connection = connection
        self._server = server
        self._about: FieldsOfRequest | None = None
        self._trust: Trust | None = None
        self._peer: Peer | None = None
        self._sender = NOBODY
        self._waits: Waiter | Drive | None = None
        self.exchange: Exchange | None = None
        self.upload: Upload | None = None
        self.writer = ReplyWriter(self, server)
        self.served = 0
        self.last = False

    # -- a request in

    def begin(self, head: RequestHead) -> None:
        """Serve the request of `head`, whose body follows where it has one."""
        server = self._server
        about = head.about
        if about is not self._about or server.trust is not self._trust:
            self._about, self._trust = about, server.trust
            self._sender = self._peer_now().sender(about)
        sender = self._sender
        exchange = self.exchange = Exchange(head, sender, server.wheel.now)
        exchange.caller = self
        exchange.request_id = sender.request_id or server.ids()
        exchange.correlation_id = sender.correlation_id or exchange.request_id
        self.served += 1
        if about.length:
            self._take_body(exchange, head)
        outcome = begin(exchange, server.bound)
        if isinstance(outcome, Reply):
            self._reply(exchange, outcome)
            return
        if isinstance(outcome, Waiter):
            self._waits = outcome
            outcome.attach(self)
        else:
            self._waits = Drive(outcome, self.resume)
            self._waits.start()

    def _take_body(self, exchange: Exchange, head: RequestHead) -> None:
        connection = self._connection
        upload = self.upload = Upload(connection, self, head)
        exchange.body = upload.body
        held, connection.receiver.held = connection.receiver.held, b""
        if held:
            upload.take(held)

    def _peer_now(self) -> Peer:
        """Who is at the other end, by the trust that is in force."""
        peer, trust = self._peer, self._server.trust
        if peer is None or peer.trust is not trust:
            peer = self._peer = trust.peer(self._connection.peer, self._connection.scheme)
        return peer

    def forget(self) -> None:
        """Let go of the last head, which holds the caller's secrets."""
        self._about = None
        self._sender = NOBODY

    def resume(self, value: Any, error: BaseException | None) -> None:
        """What the exchange waited for has come."""
        self._waits = None
        exchange = self.exchange
        if exchange is None:
            # The caller has left, or somebody took the connection over.
            return
        try:
            reply = conclude(exchange, value, error)
        except BaseException as cancelled:
            self.cut(cancelled)
            return
        self._reply(exchange, reply)

    def interim(self, status: int, fields: Fields | None) -> None:
        """Pass an interim answer on: 100 where it is waited for, others to callers that know them (RFC 9110 15.2)."""
        exchange, upload = self.exchange, self.upload
        if exchange is None or self.writer.body is not None or not exchange.head.minor:
            return
        if status != 100:
            if fields is not None:
                self.writer.transport.write(b"HTTP/1.1 %d \r\n%b\r\n" % (status, fields.joined()))
        elif upload is not None and upload.awaits_continue:
            upload.goes_on()
            self.writer.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def take_over(self, protocol: asyncio.BaseProtocol) -> tuple[Any, bytes]:
        """Give the connection to `protocol`, for good: its transport, and what has been read and not been used.

        For an upgrade that was accepted (RFC 9110 section 7.8): the exchange ends here, and its reply is written by
        whoever takes over.
        """
        transport, held = give_away(self._connection, protocol)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.status = 101
            self._over(exchange)
        return transport, held

    # -- a reply out

    def refuse(self, error: GatewayError) -> None:
        """Reply to what was no request, and end."""
        head = RequestHead(b"", b"", 1, FieldsOfRequest(b""), keep=False)
        exchange = self.exchange = Exchange(head, self._peer_now().sender(head.about), self._server.wheel.now)
        exchange.request_id = exchange.correlation_id = self._server.ids()
        self.last = True
        self._reply(exchange, failed(exchange, error))

    def _reply(self, exchange: Exchange, reply: Reply) -> None:
        """Send `reply`; its body may go on for long after this returns."""
        if exchange is not self.exchange:
            # Somebody took the connection over.
            return
        try:
            route = exchange.route
            if route is not None and route.finishers:
                for finish in route.finishers:
                    finish(exchange, reply)
            exchange.status = reply.status
            head = exchange.head
            receiver = self._connection.receiver
            if (
                reply.close or not head.keep or self.served >= MAX_REQUESTS or self._server.draining
                or receiver.state != REPLYING or (self._connection.ended and not receiver.held)
                or (reply.length == CHUNKED and not head.minor)
            ):  # fmt: skip
                self.last = True
            whole = self.writer.send(exchange, reply, self.last)
        except Exception as error:
            # Behind the last line that could still reply.
            self.cut(error)
            return
        if whole:
            self._over(exchange)

    def replied(self, exchange: Exchange) -> None:
        """The last piece of a streamed reply is written."""
        if self.exchange is exchange:
            self._over(exchange)

    def _over(self, exchange: Exchange) -> None:
        """The exchange has ended, one way or another: record it, and let the connection go on."""
        self.exchange = None
        upload = self.upload
        if upload is not None:
            self.upload = None
            upload.body.abort()
        if exchange.body is not None:
            exchange.bytes_in = exchange.body.size
        self._server.over(exchange)
        self._connection.replied(last=self.last)

    # -- ends

    def uploaded(self, *, broken: bool = False) -> None:
        """The request's body has ended, or there is no telling where it would."""
        self.upload = None
        self.last = self.last or broken

    def leave(self, cause: str) -> None:
        """The caller is gone: so is all that was done for it."""
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        gone = GatewayError("bad_request", "The caller left", phase=Phase.REPLY, cause=cause)
        upload, self.upload = self.upload, None
        waits, self._waits = self._waits, None
        reply_body = self.writer.let_go()
        exchange.code = "client_closed"
        exchange.error = gone
        exchange.status = CLIENT_CLOSED
        if waits is not None:
            waits.cancel()
        if reply_body is not None:
            reply_body.abort()
        if upload is not None:
            upload.body.fail(gone)
        self._over(exchange)

    def turn_away(self, error: GatewayError) -> bool:
        """End the exchange under way: with a reply that tells `error` where none was begun (True), else cut."""
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return False
        waits, self._waits = self._waits, None
        if waits is not None:
            waits.cancel()
        # Only now: a coroutine that is cancelled must not find the exchange and end it in its own way.
        self.exchange = exchange
        if self.writer.body is not None:
            body = self.writer.let_go()
            self.cut(error)
            if body is not None:
                body.abort()
            return False
        self._reply(exchange, failed(exchange, error))
        return True

    def cut(self, error: BaseException) -> None:
        """End an exchange whose reply cannot be whole, visibly: before the end of its framing."""
        exchange = self.exchange
        if exchange is None:
            return
        if isinstance(error, GatewayError):
            exchange.code = exchange.code or error.code
        exchange.error = error.with_traceback(None)
        self.last = True
        self._connection.abort()
        self._over(exchange)
