"""One HTTP/1.1 connection to a target: sends a request, parses the answer's head, passes its body on as it comes.

Invariants: it serves one request at a time; it goes back to its pool with nothing unread and nothing unsent, or it is
closed; whatever it was doing when it dies is told exactly once, to the waiter of the head or to the body.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Any, Final

from gwproxy.deadlines import NEVER
from gwproxy.drive import Waiter
from gwproxy.egress.failures import broken, timed_out
from gwproxy.egress.request import Answer, Request, Times
from gwproxy.egress.upload import Upload
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange
from gwproxy.wire.answer import UNTIL_CLOSE, AnswerHead, answer_head, unparseable
from gwproxy.wire.flow import HIGH, LOW, Body
from gwproxy.wire.framing import Decoder, decoder_for
from gwproxy.wire.request import CHUNKED

if TYPE_CHECKING:
    from gwproxy.egress.pool import Pool

IDLE: Final = 0
WAITING: Final = 1
STREAMING: Final = 2
CLOSED: Final = 3

MAX_HEAD: Final = 64 * 1024
MAX_INTERIM: Final = 32
_ENDED: Final = select.POLLIN | select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)

# One read's room, shared by every connection of the worker: what is read is copied out before the call returns.
# 64 KiB, because uvloop's own 256,000 bytes a read would all wait in user space for a slow reader.
_ROOM: Final = memoryview(bytearray(HIGH))


class Connection(asyncio.BufferedProtocol):
    """A connection to one target."""

    __slots__ = (
        "_answer", "_answered", "_body", "_decoder", "_exchange", "_held", "_interims", "_keep", "_method",
        "_paused", "_poll", "_sent", "_times", "_transport", "_upload", "blocked", "born", "due", "filed",
        "idle_since", "pool", "served", "state", "written",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.state = IDLE
        self.due = NEVER
        self.filed = NEVER
        self.served = 0
        self.born = self.idle_since = pool.wheel.now
        self.written = False
        self._answered = False
        self._sent = True
        self._paused = False
        self.blocked = False
        self._keep = True
        self._held = b""
        self._interims = 0
        self._method = b""
        self._answer = Waiter()
        self._body: Body | None = None
        self._upload: Upload | None = None
        self._decoder: Decoder | None = None
        self._exchange: Exchange | None = None
        self._times: Times | None = None
        self._poll: Any = None
        self._transport: Any = None

    def __repr__(self) -> str:
        names = ("idle", "waiting", "streaming", "closed")
        return f"<Connection to {self.pool.name}, {names[self.state]}, {self.served} served>"

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        transport.set_write_buffer_limits(HIGH, LOW)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _ROOM

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_ROOM[:nbytes])
        wheel = self.pool.wheel
        wheel.now = wheel.clock()
        state = self.state
        if state == STREAMING:
            self._stream(data)
        elif state == WAITING:
            self._answered = True
            self._head(self._held + data if self._held else data)
        else:
            # Bytes that nobody asked for (or a 408 before closing): what follows them is not to be trusted.
            self.close()

    def eof_received(self) -> bool:
        body = self._body
        if self.state == STREAMING and body is not None and body.length == UNTIL_CLOSE:
            self._body = None
            self.close()
            body.end()
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        state = self.state
        self.close()
        if state in (WAITING, STREAMING):
            self._broken(f"connection lost: {exc or 'closed by the service'}")

    def pause_writing(self) -> None:
        self.blocked = True
        if self._upload is not None:
            self._upload.body.pause()

    def resume_writing(self) -> None:
        self.blocked = False
        if self._upload is not None:
            self.due = self.pool.wheel.tick() + self._idle_s()
            self._upload.body.resume()

    # -- a request out

    def send(self, exchange: Exchange, request: Request, times: Times, begun: float) -> Waiter:
        """Send `request`; the waiter gives its Answer, or raises GatewayError.

        `begun` is when the attempt began, since `timeout` covers connecting too.
        """
        self.state = WAITING
        self._exchange = exchange
        self._method = request.method
        self._times = times
        self._answered = False
        self._interims = 0
        waiter = self._answer = Waiter()
        pool = self.pool
        head = request.head(pool.prefix, pool.authority)
        body = request.body
        self.written = True
        if body is None:
            self._sent = True
            content = request.content
            self._transport.write(head + content if content else head)
            due = self.due = self._until(times.timeout_s + begun - pool.wheel.now)
            if due < self.filed:
                pool.wheel.set(self, due)
        else:
            self._sent = False
            self._transport.write(head)
            pool.wheel.set(self, self._until(times.timeout_s if request.expects else times.idle_s))
            self._upload = Upload(self, body, self._transport, chunked=request.length == CHUNKED)
            body.connect(self._upload)
            if self.blocked:
                body.pause()
        return waiter

    def progressed(self) -> None:
        """A piece of the request's body has gone out."""
        self.due = max(self.due, self._until(self._idle_s()))

    def sent(self) -> None:
        """The request's body is whole: from here the answer's head has `timeout`."""
        self._upload = None
        self._sent = True
        if self.state == WAITING and self._times is not None:
            self.pool.wheel.set(self, self._until(self._times.timeout_s))

    def unsent(self, error: BaseException) -> None:
        """The request's body will never be whole."""
        self._upload = None
        self.close()
        self._tell(error)

    def _until(self, seconds: float) -> float:
        """That far from now, but never past the exchange's own end."""
        due = self.pool.wheel.now + seconds
        times = self._times
        if times is None or times.total_s == NEVER or self._exchange is None:
            return due
        return min(due, self._exchange.started + times.total_s)

    def _idle_s(self) -> float:
        return self._times.idle_s if self._times is not None else NEVER

    # -- an answer in

    def _head(self, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            try:
                if end < 0 or end > MAX_HEAD:
                    self._unfinished(data, end)
                    return
                head = answer_head(data[:end], self._method)
                data = data[end + 4 :]
                if head.status >= 200:
                    self._deliver(head, data)
                    return
                self._interim(head)
            except GatewayError as error:
                self.close()
                self._answer.fail(error)
                return
            self._held = b""
            if not data:
                return

    def _unfinished(self, data: bytes, end: int) -> None:
        if not data.startswith(b"HTTP/1."[: len(data)]):
            raise unparseable("status line")
        if end > MAX_HEAD or len(data) > MAX_HEAD:
            raise unparseable(f"head of more than {MAX_HEAD} bytes")
        self._held = data

    def _interim(self, head: AnswerHead) -> None:
        self._interims += 1
        if head.status == 101:
            raise unparseable("101 without an upgrade asked for")
        if self._interims > MAX_INTERIM:
            raise unparseable(f"more than {MAX_INTERIM} interim answers")
        if self._exchange is not None and self._exchange.caller is not None:
            self._exchange.caller.interim(head.status, head.fields)

    def _deliver(self, head: AnswerHead, rest: bytes) -> None:
        """The head is whole: give the answer, with its body where that has come along."""
        self._held = b""
        length = head.length
        if length == len(rest):
            self._done(head, rest, b"")
        elif 0 <= length < len(rest):
            self._done(head, rest[:length], rest[length:])
        else:
            self._start_stream(head, rest)

    def _start_stream(self, head: AnswerHead, rest: bytes) -> None:
        decoder = decoder_for(head.length)
        try:
            payload, surplus = decoder.feed(rest)
        except GatewayError as error:
            raise unparseable(error.detail) from None
        if decoder.done:
            self._done(head, payload, surplus)
            return
        body = Body(self, head.length)
        if payload:
            body.put(payload)
        self._body = body
        self._decoder = decoder
        self.state = STREAMING
        self._keep = head.keep
        self.pool.wheel.set(self, self._until(self._idle_s()))
        self._answer.set(Answer(head, body))

    def _done(self, head: AnswerHead, content: bytes, surplus: bytes) -> None:
        """Everything of this answer is here. First the connection goes back, then the answer is given."""
        waiter = self._answer
        self._give_back(reusable=head.keep and not surplus)
        waiter.set(Answer(head, content))

    def _give_back(self, *, reusable: bool) -> None:
        """The answer is over. A connection with a request half sent is of no more use than one that is to close."""
        if reusable and self._sent:
            self.state = IDLE
            self._exchange = self._times = None
            self.served += 1
            self.pool.release(self)
        else:
            self.close()

    def _stream(self, data: bytes) -> None:
        body, decoder = self._body, self._decoder
        assert body is not None
        assert decoder is not None
        try:
            payload, surplus = decoder.feed(data)
        except GatewayError as error:
            self._body = None
            self.close()
            body.fail(unparseable(error.detail))
            return
        self.due = self._until(self._idle_s())
        if payload:
            body.put(payload)
        if decoder.done and self.state == STREAMING:
            self._body = self._decoder = None
            self._give_back(reusable=self._keep and not surplus and not self._paused)
            body.end()

    # -- backpressure of the answer (Faucet)

    def pause(self) -> None:
        """The caller takes no more for now."""
        if not self._paused and self.state == STREAMING:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """The caller takes more."""
        if self._paused:
            self._paused = False
            if self.state != CLOSED:
                self.due = self._until(self._idle_s())
                self._transport.resume_reading()

    # -- ends

    def expired(self, now: float) -> None:
        """A deadline has passed: which one, the state tells."""
        times, exchange = self._times, self._exchange
        if self.state == IDLE:
            self.close()
        elif times is None or exchange is None:
            return
        elif now >= exchange.started + times.total_s:
            self._time_out(times.total_s)
        elif self._paused or (not self._sent and not self.blocked):
            # It is the caller who is slow: the caller's own deadlines rule.
            self.pool.wheel.set(self, self._until(times.idle_s))
        else:
            self._time_out(times.timeout_s if self.state == WAITING and self._sent else times.idle_s)

    def _time_out(self, seconds: float) -> None:
        error = timed_out(self.pool, seconds, answering=self.state == WAITING, cause=repr(self))
        self.close()
        self._tell(error)

    def _broken(self, cause: str) -> None:
        reused = self.served > 0 and not self._answered
        self._tell(
            broken(self.pool, cause, answering=self._body is None, reused=reused, written=self.written)
        )

    def _tell(self, error: BaseException) -> None:
        """Whoever waits for the head, or reads the body, learns of it."""
        self._answer.fail(error)
        body, self._body = self._body, None
        if body is not None:
            body.fail(error)

    @property
    def is_closed(self) -> bool:
        """Whether it is of no more use."""
        return self.state == CLOSED

    def ended(self) -> bool:
        """Whether the service has closed, or sent something unasked, while nobody looked. One poll(2)."""
        if self._transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), _ENDED)
        return bool(self._poll.poll(0))

    def abort(self) -> None:
        """Give up what is under way; nothing more is told to anybody."""
        self._body = self._upload = None
        self.close()

    def close(self) -> None:
        """Close at once. Idempotent."""
        if self.state == CLOSED:
            return
        was_idle = self.state == IDLE
        self.state = CLOSED
        self.due = NEVER
        if self._transport is not None:
            self._transport.abort()
        self.pool.closed(self, was_idle=was_idle)
