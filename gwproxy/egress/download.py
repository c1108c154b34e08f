"""The body of one answer as it comes in: its framing, and its backpressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gwproxy.errors import GatewayError
from gwproxy.wire.answer import UNTIL_CLOSE, AnswerHead, unparseable
from gwproxy.wire.flow import Body
from gwproxy.wire.framing import Decoder

if TYPE_CHECKING:
    from gwproxy.egress.connection import Connection


class Download:
    """An answer's body under way, and its faucet. `paused`: the caller takes no more for now."""

    __slots__ = ("_connection", "_decoder", "_keep", "body", "paused")

    def __init__(self, connection: Connection, head: AnswerHead, decoder: Decoder) -> None:
        self._connection = connection
        self._decoder = decoder
        self._keep = head.keep
        self.paused = False
        self.body = Body(self, head.length)

    def take(self, data: bytes) -> None:
        """Bytes of the body have come."""
        connection, decoder = self._connection, self._decoder
        try:
            payload, surplus = decoder.feed(data)
        except GatewayError as error:
            connection.give_up(unparseable(error.detail))
            return
        connection.progressed()
        if payload:
            self.body.put(payload)
        if decoder.done and connection.download is self:
            connection.give_back(reusable=self._keep and not surplus and not self.paused)
            self.body.end()

    def end_of_file(self) -> None:
        """The service has closed. A body without a length ends so (RFC 9112 section 6.3); any other is broken."""
        if self.body.length == UNTIL_CLOSE:
            self._connection.abort()
            self.body.end()

    def pause(self) -> None:
        """Read no more for now."""
        if not self.paused and not self._connection.is_closed:
            self.paused = True
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused:
            self.paused = False
            if not self._connection.is_closed:
                self._connection.progressed()
                self._connection.transport.resume_reading()

    def abort(self) -> None:
        """Nobody will take the rest: an answer half read leaves a connection of no use."""
        self._connection.abort()
