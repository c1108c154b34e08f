"""Connections that go elsewhere: to another protocol in this process, or to another process as they are."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from gwproxy.deadlines import NEVER
from gwproxy.wire.receiver import IDLE, LOST

if TYPE_CHECKING:
    from gwproxy.ingress.connection import Connection


def give_away(connection: Connection, protocol: asyncio.BaseProtocol) -> tuple[Any, bytes]:
    """Hand the transport to `protocol`: it, and what has been read and not been used."""
    receiver = connection.receiver
    held, receiver.held = receiver.held, b""
    receiver.move(LOST)
    connection.transport.set_protocol(protocol)
    connection.due = NEVER
    connection.server.gone(connection)
    return connection.transport, held


def hand_over(connection: Connection) -> int | None:
    """A descriptor for another process, where nothing of the connection is here; then it is gone from here.

    What the caller has sent and nobody has read stays in the kernel, and is read there. Not with TLS, whose state
    cannot move.
    """
    transport, receiver = connection.transport, connection.receiver
    if (
        receiver.state != IDLE or receiver.held or connection.paused or connection.ended
        or connection.serving.writer.blocked or transport.get_write_buffer_size() or connection.scheme != b"http"
    ):  # fmt: skip
        return None
    sock = transport.get_extra_info("socket")
    if transport.is_closing() or sock is None:
        return None
    transport.pause_reading()
    try:
        fd = os.dup(sock.fileno())
    except OSError:
        # Out of descriptors: it ends here, as busy ones do.
        transport.resume_reading()
        return None
    receiver.move(LOST)
    # Closes this process's descriptor only: no FIN, no reset.
    transport.abort()
    return fd
