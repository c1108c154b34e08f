"""One caller's connection: what comes in, its deadlines, and its end. What is asked on it is served by Serving.

What may come next is the receiver's table (wire/receiver.py); here is the I/O around it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from gwproxy.deadlines import NEVER
from gwproxy.errors import GatewayError
from gwproxy.ingress.serving import Serving
from gwproxy.ingress.writer import has_left, has_sent, reset_on_close
from gwproxy.steps.protect import crowded, out_of_drain
from gwproxy.wire.flow import HIGH, LOW
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

if TYPE_CHECKING:
    from gwproxy.ingress.server import GatewayServer

FIRST_S: Final = 1.0
"""How long a drain waits for the first request of a new connection."""

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 256 * 1024

# As in egress: one read's room for all connections, copied out before the call returns.
_ROOM: Final = memoryview(bytearray(HIGH))


class Connection(asyncio.BufferedProtocol):
    """A connection of a caller. `ended`: the caller has closed its side, and is answered all the same."""

    __slots__ = (
        "_lingered", "_looping", "due", "ended", "filed", "paused", "peer", "receiver", "scheme", "server", "serving",
        "transport",
    )  # fmt: skip

    def __init__(self, server: GatewayServer) -> None:
        self.server = server
        self.receiver = Receiver(server.max_head)
        self.due = NEVER
        self.filed = NEVER
        self.peer = ""
        self.scheme = b"http"
        self.ended = False
        self.paused = False
        self.transport: Any = None
        self.serving = Serving(self, server)
        self._lingered = 0
        self._looping = False

    def __repr__(self) -> str:
        return f"<Connection from {self.peer}, {self.receiver!r}, {self.serving.served} served>"

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self.server.wheel.tick()
        transport.set_write_buffer_limits(HIGH, LOW)
        self.transport = self.serving.writer.transport = transport
        peername = transport.get_extra_info("peername")
        # A unix socket's peer has no address.
        self.peer = peername[0] if isinstance(peername, tuple) else ""
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = b"https"
        server = self.server
        server.opened(self)
        if len(server.connections) > server.max_connections:
            self.serving.refuse(crowded())
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
        if state <= HEAD:
            self._next(data)
        elif state == BODY:
            upload = self.serving.upload
            if upload is not None:
                upload.take(data)
        elif state == REPLYING:
            receiver.held += data
            if len(receiver.held) > READ_AHEAD:
                self.pause()
        elif state == LINGERING:
            self._lingered += nbytes
            if self._lingered > LINGER_BYTES:
                self.abort()

    def eof_received(self) -> bool:
        self.server.wheel.tick()
        if (
            self.server.half_close
            and self.serving.exchange is not None
            and self.receiver.state == REPLYING
        ):
            # What has been asked is answered; the connection closes behind the last of it.
            self.ended = True
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
        self.serving.writer.pause()

    def resume_writing(self) -> None:
        self.server.wheel.tick()
        self.serving.writer.resume()
        if self.receiver.state == IDLE:
            self.server.wheel.set(self, self.server.wheel.now + self.server.keepalive_s)
            self._next(b"")

    # -- requests

    def _next(self, data: bytes) -> None:
        """Serve what is whole, until something has to be waited for. A loop: pipelined requests must not nest."""
        receiver, serving = self.receiver, self.serving
        self._looping = True
        while receiver.state <= HEAD:
            if serving.writer.blocked:
                receiver.held += data
                break
            was = receiver.state
            try:
                head = receiver.head(data)
            except GatewayError as error:
                serving.refuse(error)
                break
            if head is None:
                if self.ended:
                    # The rest of it will never come.
                    self.transport.close()
                elif was == IDLE and receiver.state == HEAD:
                    self.server.wheel.set(self, self.server.wheel.now + self.server.header_s)
                break
            data = b""
            serving.begin(head)
        self._looping = False

    def replied(self, *, last: bool) -> None:
        """An exchange is over: go on to the next, or to the end."""
        receiver = self.receiver
        if receiver.state == CLOSED:
            return
        if last or (self.ended and not receiver.held):
            self._end()
            return
        receiver.move(REPLIED)
        server = self.server
        due = self.due = server.wheel.now + server.quiet_s
        if due < self.filed:
            server.wheel.set(self, due)
        if self.paused:
            self.resume()
        if receiver.held and not self._looping and receiver.state == IDLE:
            # What was pipelined; unless the loop that began this exchange will turn to it.
            self._next(b"")

    # -- backpressure of the request's body, and of pipelining

    def pause(self) -> None:
        """Read no more for now. Nobody notices then that the caller leaves, so the server looks now and then."""
        if not self.paused and self.receiver.state != CLOSED:
            self.paused = True
            self.transport.pause_reading()
            self.server.paused.add(self)

    def resume(self) -> None:
        """Read on."""
        if self.paused:
            self.paused = False
            self.server.paused.discard(self)
            if self.receiver.state != CLOSED:
                if self.receiver.state == BODY:
                    self.due = self.server.wheel.now + self.server.body_s
                self.transport.resume_reading()

    def look(self) -> None:
        """While reading is paused: has the caller gone?"""
        if has_left(self.transport, half_close=self.server.half_close):
            self._leave("left while reading was paused")
            self.abort()

    # -- ends

    def expired(self, now: float) -> None:
        """A deadline has passed; which one, the state tells."""
        state = self.receiver.state
        server, serving = self.server, self.serving
        if serving.writer.blocked:
            # Who reads at least something within the time goes on.
            if serving.writer.progressed():
                server.wheel.set(self, now + server.body_s)
            else:
                self._leave("the caller reads too slowly")
                self.abort()
        elif state == LINGERING:
            self.abort()
        elif state == IDLE:
            self._quiet(now)
        elif state == HEAD:
            serving.refuse(GatewayError("request_timeout", "The request head took too long", close=True))
        elif state == BODY and serving.upload is not None:
            serving.upload.expired(now)

    def _quiet(self, now: float) -> None:
        """Idle for a while: let go of the last head, which holds the caller's secrets. Idle for long: close."""
        server = self.server
        if self.receiver.about is None:
            self.transport.close()
            return
        self.receiver.forget()
        self.serving.forget()
        server.wheel.set(self, now + server.keepalive_s - server.quiet_s)

    def _leave(self, cause: str) -> None:
        """The caller is gone."""
        self.receiver.move(LOST)
        self.server.paused.discard(self)
        self.serving.leave(cause)

    def _end(self) -> None:
        """The last reply is written. Close, but not onto bytes still coming: a reset could take the reply with it."""
        receiver = self.receiver
        clean = receiver.state == REPLYING and not receiver.held
        receiver.move(REPLIED_LAST)
        if clean or not self.transport.can_write_eof():
            self.transport.close()
            return
        receiver.held = b""
        self.transport.write_eof()
        self.resume()
        self.server.wheel.set(self, self.server.wheel.now + LINGER_S)

    def abort(self) -> None:
        """Close at once. What hasn't been written is lost, and a body without a framing ends in a reset."""
        self.receiver.move(LOST)
        self.server.paused.discard(self)
        exchange = self.serving.exchange
        if exchange is not None and not exchange.head.minor:
            reset_on_close(self.transport)
        self.transport.abort()

    def end_idle(self) -> None:
        """The worker drains: close if nothing has come, else after the reply. Who has just connected has a moment."""
        serving = self.serving
        serving.last = True
        if self.receiver.state != IDLE or self.receiver.held or has_sent(self.transport):
            return
        if serving.served:
            self.transport.close()
        else:
            self.server.wheel.set(self, self.server.wheel.now + FIRST_S)

    def kill(self) -> None:
        """The drain is over: who waits for an answer is told so, an answer half sent is cut."""
        if self.serving.turn_away(out_of_drain()):
            # What is written still leaves; lingering for what else the caller sends is over, too.
            self.transport.close()
        else:
            self.abort()
