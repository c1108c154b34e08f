"""One caller's connection: bytes to a request, the request to its reply, the reply to bytes.

What may come next is the receiver's table (wire/receiver.py); here is the I/O around it. Invariants: one request at a
time, answered in order; a reply is begun at most once, and ends whole or visibly cut; every exchange is recorded
once, in `_over`; when the caller is gone, so is what was done for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from gwproxy.deadlines import NEVER
from gwproxy.drive import Drive
from gwproxy.errors import CLIENT_CLOSED, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply, Sender
from gwproxy.ingress.forwarded import Peer
from gwproxy.ingress.run import refusal, run
from gwproxy.ingress.upload import Upload
from gwproxy.ingress.writer import ReplyWriter, has_left, reset_on_close
from gwproxy.steps.protect import crowded
from gwproxy.wire.fields import Fields
from gwproxy.wire.flow import HIGH, LOW, Body
from gwproxy.wire.receiver import (
    BODY,
    CLOSED,
    HEAD,
    IDLE,
    LINGERING,
    LOST,
    READ_AHEAD,
    REPLIED,
    REPLIED_LAST,
    REPLYING,
    Receiver,
)
from gwproxy.wire.request import CHUNKED, FieldsOfRequest, RequestHead

if TYPE_CHECKING:
    from gwproxy.ingress.server import GatewayServer

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 256 * 1024
MAX_REQUESTS: Final = 10_000

NOBODY: Final = Sender("", b"http", b"")
# As in egress: one read's room for all connections, copied out before the call returns.
_ROOM: Final = memoryview(bytearray(HIGH))


class Connection(asyncio.BufferedProtocol):
    """A connection of a caller."""

    __slots__ = (
        "_about", "_drive", "_ended", "_exchange", "_last", "_lingered", "_looping", "_peer", "_sender",
        "_served", "_transport", "_upload", "_writer", "due", "filed", "paused", "peer", "receiver", "scheme", "server",
    )  # fmt: skip

    def __init__(self, server: GatewayServer) -> None:
        self.server = server
        self.receiver = Receiver(server.max_head)
        self.due = NEVER
        self.filed = NEVER
        self.peer = ""
        self.scheme = b"http"
        self._transport: Any = None
        self._served = 0
        self._about: FieldsOfRequest | None = None
        self._peer: Peer | None = None
        self._sender = NOBODY
        self._exchange: Exchange | None = None
        self._drive: Drive | None = None
        self._upload: Upload | None = None
        self._writer = ReplyWriter(self)
        self._ended = False
        self._last = False
        self._lingered = 0
        self._looping = False
        self.paused = False

    def __repr__(self) -> str:
        return f"<Connection from {self.peer}, {self.receiver!r}, {self._served} served>"

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self.server.wheel.tick()
        transport.set_write_buffer_limits(HIGH, LOW)
        self._transport = self._writer.transport = transport
        peername = transport.get_extra_info("peername")
        # A unix socket's peer has no address.
        self.peer = peername[0] if isinstance(peername, tuple) else ""
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = b"https"
        server = self.server
        server.opened(self)
        if len(server.connections) > server.max_connections:
            self._refuse(crowded())
            return
        server.wheel.set(self, server.wheel.now + server.keepalive_s)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _ROOM

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_ROOM[:nbytes])
        wheel = self.server.wheel
        wheel.now = wheel.clock()
        receiver = self.receiver
        state = receiver.state
        if state in (IDLE, HEAD):
            self._next(data)
        elif state == BODY:
            if self._upload is not None:
                self._upload.take(data)
        elif state == REPLYING:
            receiver.held += data
            if len(receiver.held) > READ_AHEAD:
                self.pause()
        elif state == LINGERING:
            self._lingered += nbytes
            if self._lingered > LINGER_BYTES:
                self._abort()

    def eof_received(self) -> bool:
        self.server.wheel.tick()
        if self.server.half_close and self._exchange is not None and self.receiver.state == REPLYING:
            # What has been asked is answered; the connection closes behind the last of it.
            self._ended = True
            return True
        self._leave("end of file from the caller")
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.server.wheel.tick()
        self._leave(f"connection lost: {exc}")
        self.due = NEVER
        self.server.gone(self)

    def pause_writing(self) -> None:
        self.server.wheel.set(self, self.server.wheel.tick() + self.server.body_s)
        self._writer.pause()

    def resume_writing(self) -> None:
        self.server.wheel.tick()
        self._writer.resume()
        if self.receiver.state == IDLE:
            self.server.wheel.set(self, self.server.wheel.now + self.server.keepalive_s)
            self._next(b"")

    # -- a request in

    def _next(self, data: bytes) -> None:
        """Serve what is whole, until something has to be waited for. A loop: pipelined requests must not nest."""
        receiver = self.receiver
        self._looping = True
        while receiver.state <= HEAD:
            if self._writer.blocked:
                receiver.held += data
                break
            was = receiver.state
            try:
                head = receiver.head(data)
            except GatewayError as error:
                self._refuse(error)
                break
            if head is None:
                if self._ended:
                    # The rest of it will never come.
                    self._transport.close()
                elif was == IDLE and receiver.state == HEAD:
                    self.server.wheel.set(self, self.server.wheel.now + self.server.header_s)
                break
            data = b""
            self._begin(head)
        self._looping = False

    def _begin(self, head: RequestHead) -> None:
        server = self.server
        about = head.about
        if about is not self._about:
            self._about = about
            self._sender = self._peer_now().sender(about)
        sender = self._sender
        body = Body(self, about.length) if self.receiver.state == BODY else None
        exchange = Exchange(head, sender, body, server.wheel.now)
        exchange.caller = self
        exchange.request_id = sender.request_id or server.ids()
        exchange.correlation_id = sender.correlation_id or exchange.request_id
        self._exchange = exchange
        self._served += 1
        if body is not None:
            upload = self._upload = Upload(self, body, expects=head.expects)
            held, self.receiver.held = self.receiver.held, b""
            if held:
                upload.take(held)
        drive = self._drive = Drive(run(exchange, server.bound, self.reply), self._served_one)
        drive.resume(None, None)

    def _peer_now(self) -> Peer:
        """Who is at the other end, by the trust that is in force."""
        peer, trust = self._peer, self.server.trust
        if peer is None or peer.trust is not trust:
            peer = self._peer = trust.peer(self.peer, self.scheme)
        return peer

    def _served_one(self, error: BaseException | None) -> None:
        self._drive = None
        if self.receiver.state == CLOSED:
            # Cancelled by `_leave`, which goes on from here.
            return
        if error is not None and self._exchange is not None:
            # Cancelled, or a mistake of ours behind the last line that could still reply.
            self.cut(error)
        elif self.receiver.held and self._exchange is None:
            self._go_on()

    def interim(self, status: int, fields: Fields | None) -> None:
        """Pass an interim answer on: 100 where it is waited for, others to callers that know them (RFC 9110 15.2)."""
        exchange, upload = self._exchange, self._upload
        if exchange is None or self._writer.body is not None or not exchange.head.minor:
            return
        if status != 100:
            if fields is not None:
                self._transport.write(b"HTTP/1.1 %d \r\n%b\r\n" % (status, fields.joined()))
        elif upload is not None and upload.awaits_continue:
            upload.goes_on()
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def take_over(self, protocol: asyncio.BaseProtocol) -> tuple[Any, bytes]:
        """Give this connection to `protocol`, for good: its transport, and what has been read and not been used.

        For an upgrade that was accepted (RFC 9110 section 7.8): the exchange ends here, and its reply is written by
        whoever takes over.
        """
        held, self.receiver.held = self.receiver.held, b""
        exchange = self._exchange
        self.receiver.move(LOST)
        self._transport.set_protocol(protocol)
        self.due = NEVER
        self.server.gone(self)
        if exchange is not None:
            exchange.status = 101
            self._over(exchange)
        return self._transport, held

    # -- a reply out

    def _refuse(self, error: GatewayError) -> None:
        """Reply to what was no request, and end."""
        server = self.server
        head = RequestHead(b"", b"", 1, FieldsOfRequest(b""), keep=False)
        exchange = self._exchange = Exchange(
            head, self._peer_now().sender(head.about), None, server.wheel.now
        )
        exchange.request_id = exchange.correlation_id = server.ids()
        self._last = True
        self.reply(exchange, refusal(exchange, error))

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        """Send `reply`; its body may go on for long after this returns."""
        if exchange is not self._exchange:
            # Somebody took the connection over.
            return
        server = self.server
        head = exchange.head
        exchange.status = reply.status
        last = (
            self._last or reply.close or not head.keep or server.draining or self._served >= MAX_REQUESTS
            or self.receiver.state != REPLYING or (self._ended and not self.receiver.held)
            or (reply.length == CHUNKED and not head.minor)
        )  # fmt: skip
        if last:
            self._last = True
        if self._writer.send(exchange, reply, last):
            self._over(exchange)

    def replied(self, exchange: Exchange) -> None:
        """The last piece of a streamed reply is written."""
        if self._exchange is exchange:
            self._over(exchange)

    def _over(self, exchange: Exchange) -> None:
        """The exchange has ended, one way or another: record it, and go on to the next, or to the end."""
        self._exchange = None
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.body.abort()
        if exchange.body is not None:
            exchange.bytes_in = exchange.body.size
        self.server.over(exchange)
        receiver = self.receiver
        if receiver.state == CLOSED:
            return
        if self._last or (self._ended and not receiver.held):
            self._end()
            return
        receiver.move(REPLIED)
        server = self.server
        due = self.due = server.wheel.now + server.quiet_s
        if due < self.filed:
            server.wheel.set(self, due)
        if self.paused:
            self.resume()
        if receiver.held:
            self._go_on()

    def _go_on(self) -> None:
        """Turn to what was pipelined, unless the loop that began this exchange will."""
        if self._drive is None and not self._looping and self.receiver.state == IDLE:
            self._next(b"")

    # -- backpressure of the request's body (Faucet), and of pipelining

    def pause(self) -> None:
        """Read no more for now. Nobody notices then that the caller leaves, so the server looks now and then."""
        if not self.paused and self.receiver.state != CLOSED:
            self.paused = True
            self._transport.pause_reading()
            self.server.paused.add(self)

    def resume(self) -> None:
        """Read on."""
        if self.paused:
            self.paused = False
            self.server.paused.discard(self)
            if self.receiver.state != CLOSED:
                if self.receiver.state == BODY:
                    self.due = self.server.wheel.now + self.server.body_s
                self._transport.resume_reading()

    def uploaded(self, *, broken: bool = False) -> None:
        """The request's body has ended, or there is no telling where it would."""
        self._upload = None
        self._last = self._last or broken

    def abort(self) -> None:
        """Nobody takes the rest of the request's body: what still comes is dropped, within a bound."""
        self._upload = None
        self._last = True

    def look(self) -> None:
        """While reading is paused: has the caller gone?"""
        if has_left(self._transport, half_close=self.server.half_close):
            self._leave("left while reading was paused")
            self._abort()

    # -- ends

    def expired(self, now: float) -> None:
        """A deadline has passed; which one, the state tells."""
        state = self.receiver.state
        server = self.server
        if self._writer.blocked:
            # Who reads at least something within the time goes on.
            if self._writer.progressed():
                server.wheel.set(self, now + server.body_s)
            else:
                self._leave("the caller reads too slowly")
                self._abort()
        elif state == LINGERING:
            self._abort()
        elif state == IDLE:
            self._quiet(now)
        elif state == HEAD:
            self._refuse(GatewayError("request_timeout", "The request head took too long", close=True))
        elif state == BODY and self._upload is not None:
            self._upload.expired(now)

    def _quiet(self, now: float) -> None:
        """Idle for a while: let go of the last head, which holds the caller's secrets. Idle for long: close."""
        server = self.server
        if self.receiver.about is None:
            self._transport.close()
            return
        self.receiver.forget()
        self._about = None
        self._sender = NOBODY
        server.wheel.set(self, now + server.keepalive_s - server.quiet_s)

    def _leave(self, cause: str) -> None:
        """The caller is gone: so is all that was done for it."""
        receiver = self.receiver
        exchange = self._exchange
        receiver.move(LOST)
        self.server.paused.discard(self)
        if exchange is None:
            return
        gone = GatewayError("bad_request", "The caller left", phase=Phase.REPLY, cause=cause)
        upload, self._upload = self._upload, None
        reply_body = self._writer.let_go()
        drive, self._drive = self._drive, None
        exchange.code = "client_closed"
        exchange.error = gone
        exchange.status = CLIENT_CLOSED
        if drive is not None:
            drive.cancel()
        if reply_body is not None:
            reply_body.abort()
        if upload is not None:
            upload.body.fail(gone)
        self._over(exchange)

    def cut(self, error: BaseException) -> None:
        """End an exchange whose reply cannot be whole, visibly: before the end of its framing."""
        exchange = self._exchange
        if exchange is None:
            return
        if isinstance(error, GatewayError):
            exchange.code = exchange.code or error.code
        exchange.error = error.with_traceback(None)
        self._last = True
        self._abort()
        self._over(exchange)

    def _end(self) -> None:
        """The last reply is written. Close, but not onto bytes still coming: a reset could take the reply with it."""
        receiver = self.receiver
        clean = receiver.state == REPLYING and not receiver.held
        receiver.move(REPLIED_LAST)
        if clean or not self._transport.can_write_eof():
            self._transport.close()
            return
        receiver.held = b""
        self._transport.write_eof()
        self.resume()
        self.server.wheel.set(self, self.server.wheel.now + LINGER_S)

    def _abort(self) -> None:
        """Close at once. What hasn't been written is lost, and a body without a framing ends in a reset."""
        self.receiver.move(LOST)
        self.server.paused.discard(self)
        exchange = self._exchange
        if exchange is not None and not exchange.head.minor:
            reset_on_close(self._transport)
        self._transport.abort()

    def end_idle(self) -> None:
        """The worker drains: close if nothing is under way, else after the reply."""
        self._last = True
        if self.receiver.state == IDLE and not self.receiver.held:
            self._transport.close()

    def kill(self) -> None:
        """The drain is over."""
        self._leave("the drain ended")
        self._abort()
