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
from gwproxy.egress.download import Download
from gwproxy.egress.failures import broken, timed_out
from gwproxy.egress.request import Answer, Request, Times
from gwproxy.egress.upload import Upload
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange
from gwproxy.wire.answer import AnswerHead, AnswerReceiver, unparseable
from gwproxy.wire.flow import HIGH, LOW, Body
from gwproxy.wire.framing import decoder_for
from gwproxy.wire.request import CHUNKED

if TYPE_CHECKING:
    from gwproxy.egress.pool import Pool

IDLE: Final = 0
WAITING: Final = 1
STREAMING: Final = 2
CLOSED: Final = 3

_ENDED: Final = select.POLLIN | select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)

# One read's room, shared by every connection of the worker: what is read is copied out before the call returns.
# 64 KiB, because uvloop's own 256,000 bytes a read would all wait in user space for a slow reader.
_ROOM: Final = memoryview(bytearray(HIGH))


class Connection(asyncio.BufferedProtocol):
    """A connection to one target."""

    __slots__ = (
        "_attempt", "_exchange", "_poll", "_receiver", "_sent", "_times", "_upload", "blocked", "born", "download",
        "due", "filed", "idle_since", "pool", "served", "state", "transport",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.state = IDLE
        self.due = NEVER
        self.filed = NEVER
        self.served = 0
        self.born = self.idle_since = pool.wheel.now
        self._sent = True
        self.blocked = False
        self._receiver = AnswerReceiver()
        self._attempt: Waiter | None = None
        self._upload: Upload | None = None
        self.download: Download | None = None
        self._exchange: Exchange | None = None
        self._times: Times | None = None
        self._poll: Any = None
        self.transport: Any = None

    def __repr__(self) -> str:
        names = ("idle", "waiting", "streaming", "closed")
        return f"<Connection to {self.pool.name}, {names[self.state]}, {self.served} served>"

    @property
    def is_closed(self) -> bool:
        """Whether it is of no more use."""
        return self.state == CLOSED

    # -- asyncio's side

    def connection_made(self, transport: Any) -> None:
        transport.set_write_buffer_limits(HIGH, LOW)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _ROOM

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_ROOM[:nbytes])
        wheel = self.pool.wheel
        wheel.now = wheel.clock()
        state = self.state
        if state == WAITING:
            self._head(data)
        elif state == STREAMING and self.download is not None:
            self.download.take(data)
        else:
            # Bytes that nobody asked for (or a 408 before closing): what follows them is not to be trusted.
            self.close()

    def eof_received(self) -> bool:
        if self.download is not None:
            self.download.end_of_file()
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        state = self.state
        self.close()
        if state in (WAITING, STREAMING):
            cause = f"connection lost: {exc or 'closed by the service'}"
            reused = self.served > 0 and not self._receiver.answered
            answering = self.download is None
            self.give_up(broken(self.pool, cause, answering=answering, reused=reused))

    def pause_writing(self) -> None:
        self.blocked = True
        if self._upload is not None:
            self._upload.body.pause()

    def resume_writing(self) -> None:
        self.blocked = False
        if self._upload is not None:
            self.pool.wheel.tick()
            self.progressed()
            self._upload.body.resume()

    # -- a request out

    def send(self, attempt: Waiter, exchange: Exchange, request: Request, times: Times, begun: float) -> None:
        """Send `request`; `attempt` is set with its Answer, or fails with GatewayError.

        `begun` is when the attempt began, since `timeout` covers connecting too.
        """
        self.state = WAITING
        self._attempt = attempt
        self._exchange = exchange
        self._times = times
        self._receiver.expect(request.method)
        pool = self.pool
        head = request.head(pool.prefix, pool.authority)
        if request.body is not None:
            self._send_streaming(head, request, request.body, times)
            return
        self._sent = True
        content = request.content
        self.transport.write(head + content if content else head)
        due = begun + times.timeout_s
        if times.total_s != NEVER:
            due = min(due, exchange.started + times.total_s)
        self.due = due
        if due < self.filed:
            pool.wheel.set(self, due)

    def _send_streaming(self, head: bytes, request: Request, body: Body, times: Times) -> None:
        self._sent = False
        self.transport.write(head)
        self.pool.wheel.set(self, self._until(times.timeout_s if request.expects else times.idle_s))
        self._upload = Upload(self, body, self.transport, chunked=request.length == CHUNKED)
        body.connect(self._upload)
        if self.blocked:
            body.pause()

    def progressed(self) -> None:
        """A piece of a body has come or gone, or may go on."""
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
        self.give_up(error)

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
        receiver = self._receiver
        try:
            head = receiver.head(data)
            while head is not None and head.status < 200:
                if self._exchange is not None and self._exchange.caller is not None:
                    self._exchange.caller.interim(head.status, head)
                head = receiver.head(b"") if receiver.held else None
            if head is None:
                return
            rest, receiver.held = receiver.held, b""
            length = head.length
            if length == len(rest):
                self._done(head, rest, surplus=False)
            elif 0 <= length < len(rest):
                self._done(head, rest[:length], surplus=True)
            else:
                self._start_stream(head, rest)
        except GatewayError as error:
            self.give_up(error)

    def _start_stream(self, head: AnswerHead, rest: bytes) -> None:
        decoder = decoder_for(head.length)
        try:
            payload, surplus = decoder.feed(rest)
        except GatewayError as error:
            raise unparseable(error.detail) from None
        if decoder.done:
            self._done(head, payload, surplus=bool(surplus))
            return
        download = self.download = Download(self, head, decoder)
        if payload:
            download.body.put(payload)
        self.state = STREAMING
        self.pool.wheel.set(self, self._until(self._idle_s()))
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.set(Answer(head, download.body))

    def _done(self, head: AnswerHead, content: bytes, *, surplus: bool) -> None:
        """Everything of this answer is here. First the connection goes back, then the answer is given."""
        attempt = self._attempt
        self.give_back(reusable=head.keep and not surplus)
        if attempt is not None:
            attempt.set(Answer(head, content))

    def give_back(self, *, reusable: bool) -> None:
        """The answer is over. A connection with a request half sent is of no more use than one that is to close."""
        # An attempt knows its connection: neither must keep the other from being forgotten.
        self._attempt = self.download = None
        if reusable and self._sent:
            self.state = IDLE
            self._exchange = self._times = None
            self.served += 1
            self.pool.release(self)
        else:
            self.close()

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
        elif (self.download is not None and self.download.paused) or (not self._sent and not self.blocked):
            # It is the caller who is slow: the caller's own deadlines rule.
            self.pool.wheel.set(self, self._until(times.idle_s))
        else:
            self._time_out(times.timeout_s if self.state == WAITING and self._sent else times.idle_s)

    def _time_out(self, seconds: float) -> None:
        self.give_up(timed_out(self.pool, seconds, answering=self.state == WAITING))

    def give_up(self, error: BaseException) -> None:
        """Close. Whoever waits for the head, or reads the body, learns of it."""
        self.close()
        attempt, self._attempt = self._attempt, None
        download, self.download = self.download, None
        if attempt is not None:
            attempt.fail(error)
        if download is not None:
            download.body.fail(error)

    def ended(self) -> bool:
        """Whether the service has closed, or sent something unasked, while nobody looked. One poll(2)."""
        if self.transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket").fileno(), _ENDED)
        return bool(self._poll.poll(0))

    def abort(self) -> None:
        """Give up what is under way; nothing more is told to anybody."""
        self._upload = self._attempt = self.download = None
        self.close()

    def close(self) -> None:
        """Close at once. Idempotent."""
        if self.state == CLOSED:
            return
        was_idle = self.state == IDLE
        self.state = CLOSED
        self.due = NEVER
        if self.transport is not None:
            self.transport.abort()
        self.pool.closed(self, was_idle=was_idle)
