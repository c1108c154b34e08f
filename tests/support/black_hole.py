"""An address that neither accepts nor refuses: its backlog is full, so that the kernel drops what knocks."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """The URL of a port on which no connection ever comes to stand."""
    with contextlib.ExitStack() as held:
        listening = held.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        where = listening.getsockname()
        for _ in range(3):
            knocking = held.enter_context(socket.socket())
            knocking.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                knocking.connect(where)
        yield f"http://127.0.0.1:{where[1]}"
