"""The sending half of a caller's connection: replies, whole or piece by piece, under backpressure."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any, Final

from gwproxy.exchange import Exchange, Reply
from gwproxy.wire.flow import Body
from gwproxy.wire.framing import LAST_CHUNK, chunk
from gwproxy.wire.request import CHUNKED

if TYPE_CHECKING:
    from gwproxy.ingress.server import GatewayServer
    from gwproxy.ingress.serving import Serving

_GONE: Final = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class ReplyWriter:
    """Writes one reply after another. `body` is the one under way, `blocked` that the caller doesn't keep up."""

    __slots__ = ("_buffered", "_chunked", "_exchange", "_serving", "_told", "blocked", "body", "transport")

    def __init__(self, serving: Serving, server: GatewayServer) -> None:
        self._serving = serving
        self._told = server.told
        self.transport: Any = None
        self.body: Body | None = None
        self.blocked = False
        self._exchange: Exchange | None = None
        self._chunked = False
        self._buffered = 0

    def send(self, exchange: Exchange, reply: Reply, last: bool) -> bool:
        """Write the reply's head, and its body as far as it is there. True: that was all of it."""
        length, body = reply.length, reply.body
        framing = b"Content-Length: %d\r\n" % length if length >= 0 else b""
        if last:
            framing += b"Connection: close\r\n"
        elif not exchange.head.minor:
            framing += b"Connection: keep-alive\r\n"
        told = self._told(exchange)
        if isinstance(body, bytes):
            if exchange.method == b"HEAD":
                # RFC 9110 section 9.3.2: its length is told, but it would be read as the next answer.
                body = b""
            exchange.bytes_out = len(body)
            self.transport.write(b"%b%b%b%b\r\n%b" % (reply.head, reply.lines, framing, told, body))
            return True
        self._chunked = False
        if length == CHUNKED and exchange.head.minor:
            # Without chunks (HTTP/1.0) the body ends with the connection.
            self._chunked = True
            framing += b"Transfer-Encoding: chunked\r\n"
        self._exchange = exchange
        self.body = body
        self.transport.write(b"%b%b%b%b\r\n" % (reply.head, reply.lines, framing, told))
        body.connect(self)
        if self.blocked:
            body.pause()
        return False

    def write(self, data: bytes) -> None:
        """A piece of the reply's body."""
        exchange = self._exchange
        if exchange is not None:
            exchange.bytes_out += len(data)
            self.transport.write(chunk(data) if self._chunked else data)

    def finish(self) -> None:
        """The reply's body is whole."""
        exchange, self._exchange = self._exchange, None
        self.body = None
        if exchange is not None:
            if self._chunked:
                self.transport.write(LAST_CHUNK)
            self._serving.replied(exchange)

    def fail(self, error: BaseException) -> None:
        """The reply's body will never be whole: the caller must see that."""
        if self.let_go() is not None:
            self._serving.cut(error)

    def let_go(self) -> Body | None:
        """Forget the reply that is under way."""
        body, self.body = self.body, None
        self._exchange = None
        return body

    def pause(self) -> None:
        """The caller takes no more for now."""
        self.blocked = True
        self._buffered = self.transport.get_write_buffer_size() + _unsent(self.transport)
        if self.body is not None:
            self.body.pause()

    def resume(self) -> None:
        """The caller takes more."""
        self.blocked = False
        if self.body is not None:
            self.body.resume()

    def progressed(self) -> bool:
        """Whether the caller has taken anything since this was asked last, or since it began to lag behind."""
        waiting = self.transport.get_write_buffer_size() + _unsent(self.transport)
        progressed = waiting < self._buffered
        self._buffered = waiting
        return bool(progressed)


def _unsent(transport: Any) -> int:
    """What the kernel still holds of what was written (SIOCOUTQ): it frees its buffer in larger steps than it sends."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return 0
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return 0


def reset_on_close(transport: Any) -> None:
    """SO_LINGER 0: the only way to tell a caller of HTTP/1.0 that a body without a length is not whole."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def has_sent(transport: Any) -> bool:
    """Whether the kernel holds bytes of the caller that nobody has read."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def has_left(transport: Any, *, half_close: bool) -> bool:
    """Whether the caller has closed, asked of the kernel: while reading is paused nobody else would notice."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _GONE)
    events = poll.poll(0)
    return bool(events) and not (half_close and not events[0][1] & (select.POLLHUP | select.POLLERR))
