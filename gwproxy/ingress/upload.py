"""The body of one request as it comes in: its framing, its bounds and its deadlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gwproxy.errors import GatewayError, Phase
from gwproxy.steps.protect import too_large
from gwproxy.wire.flow import Body
from gwproxy.wire.receiver import BODY, BROKEN
from gwproxy.wire.request import RequestHead

if TYPE_CHECKING:
    from gwproxy.ingress.connection import Connection
    from gwproxy.ingress.serving import Serving

CONTINUE_S: Final = 1.0
"""How long a service may keep its 100 (RFC 9110 section 10.1.1) before we give ours."""


class Upload:
    """A request's body under way, and its faucet. `awaits_continue`: the caller sends nothing of it before a 100."""

    __slots__ = ("_connection", "_serving", "awaits_continue", "body")

    def __init__(self, connection: Connection, serving: Serving, head: RequestHead) -> None:
        self._connection = connection
        self._serving = serving
        self.body = Body(self, head.length)
        self.awaits_continue = expects = head.expects
        wheel = connection.server.wheel
        wheel.set(connection, wheel.now + (CONTINUE_S if expects else connection.server.body_s))

    def take(self, data: bytes) -> None:
        """Bytes of the body have come."""
        connection, body = self._connection, self.body
        receiver = connection.receiver
        self.awaits_continue = False
        try:
            payload = receiver.body(data)
        except GatewayError as error:
            self._break(error)
            return
        if body.limit and body.size + len(payload) > body.limit:
            self._break(too_large(body.limit))
            return
        if payload:
            body.put(payload)
        if receiver.state == BODY:
            connection.due = connection.server.wheel.now + connection.server.body_s
        else:
            self._serving.uploaded()
            body.end()

    def pause(self) -> None:
        """The service takes no more for now."""
        self._connection.pause()

    def resume(self) -> None:
        """The service takes more."""
        self._connection.resume()

    def abort(self) -> None:
        """Nobody takes the rest: what still comes is dropped, within a bound, and the connection ends."""
        self._serving.uploaded(broken=True)

    def goes_on(self) -> None:
        """The caller has its 100."""
        self.awaits_continue = False
        wheel = self._connection.server.wheel
        wheel.set(self._connection, wheel.now + self._connection.server.body_s)

    def expired(self, now: float) -> None:
        """The caller has been silent for too long, or waits for a 100 that the service doesn't give."""
        connection = self._connection
        if self.awaits_continue:
            self._serving.interim(100, None)
        elif connection.paused:
            connection.server.wheel.set(connection, now + connection.server.body_s)
        else:
            self._break(
                GatewayError(
                    "request_timeout", "The request body took too long", phase=Phase.BODY, close=True
                )
            )

    def _break(self, error: GatewayError) -> None:
        self._connection.receiver.move(BROKEN)
        self._serving.uploaded(broken=True)
        self.body.fail(error)
