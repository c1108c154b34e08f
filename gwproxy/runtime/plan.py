"""One generation of the configuration, as every worker is to serve it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from gwproxy.runtime.messages import Prepare, packed
from gwproxy.runtime.reading import Reading


class Plan:
    """A configuration packed for workers, and the listening sockets that belong to it, by address."""

    def __init__(
        self, generation: int, reading: Reading, sockets: Mapping[str, socket.socket], instance: str, store: str
    ) -> None:
        self.reading = reading
        self.sockets = dict(sockets)
        self.message = Prepare(generation, instance, tuple(self.sockets), store)
        self._file = os.memfd_create(f"gwproxy-{generation}", os.MFD_CLOEXEC)
        with open(self._file, "wb", closefd=False) as file:
            file.write(packed(reading.loaded))

    @property
    def generation(self) -> int:
        """Its number; the next one's is higher."""
        return self.message.generation

    @property
    def fds(self) -> list[int]:
        """What goes with `message`."""
        return [self._file, *(sock.fileno() for sock in self.sockets.values())]

    def close(self) -> None:
        """Nobody will be told of it any more. Its sockets are not its to close."""
        os.close(self._file)
