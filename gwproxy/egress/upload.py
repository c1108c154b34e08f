"""The body of a request on its way to a target, as it comes from the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gwproxy.wire.flow import Body
from gwproxy.wire.framing import LAST_CHUNK, chunk

if TYPE_CHECKING:
    from gwproxy.egress.connection import Connection


class Upload:
    """The sink of one request's body."""

    __slots__ = ("_chunked", "_connection", "_transport", "body")

    def __init__(self, connection: Connection, body: Body, transport: Any, *, chunked: bool) -> None:
        self._connection = connection
        self._transport = transport
        self._chunked = chunked
        self.body = body

    def write(self, data: bytes) -> None:
        """A piece has come. What comes for a connection that is closed is dropped."""
        if not self._connection.is_closed:
            self._transport.write(chunk(data) if self._chunked else data)
            self._connection.progressed()

    def finish(self) -> None:
        """The body is whole."""
        if self._chunked and not self._connection.is_closed:
            self._transport.write(LAST_CHUNK)
        self._connection.sent()

    def fail(self, error: BaseException) -> None:
        """The body will never be whole."""
        self._connection.unsent(error)
