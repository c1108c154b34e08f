"""Packets between two processes of ours over a SOCK_SEQPACKET socket, descriptors with them, and never a wait.

The kernel keeps packets whole, so none can be torn. What the other side is too slow to take waits here, bounded: a
peer that reads nothing for that long is as good as gone.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

log = logging.getLogger("gwproxy")

LARGEST: Final = 64 * 1024
MOST_FDS: Final = 250
"""The kernel's own bound is 253 a packet (SCM_MAX_FD)."""
MOST_WAITING: Final = 4096


class Channel:
    """One end. `heard` gets each message with its descriptors, which are its to close; `lost` is called once.

    A message that is not understood is heard as None.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        encode: Callable[[Any], bytes],
        decode: Callable[[bytes], Any],
        heard: Callable[[Any, list[int]], None],
        lost: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._encode = encode
        self._decode = decode
        self._heard = heard
        self._lost = lost
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._writing = False
        self._odd = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def fileno(self) -> int:
        """Its descriptor."""
        return self._sock.fileno()

    @property
    def closed(self) -> bool:
        """Whether nobody is at the other end any more."""
        return self._sock.fileno() < 0

    def say(self, message: Any, fds: Sequence[int] = ()) -> None:
        """Send `message`. The descriptors may be closed when this returns; on a lost channel nothing happens."""
        if self.closed:
            return
        packet = self._encode(message), tuple(fds)
        if self._waiting or not self._sent(*packet):
            if len(self._waiting) >= MOST_WAITING:
                self.close(lost=True)
                return
            self._waiting.append((packet[0], tuple(os.dup(fd) for fd in packet[1])))
            if not self._writing and not self.closed:
                self._writing = True
                self._loop.add_writer(self._sock.fileno(), self._writable)

    def _sent(self, data: bytes, fds: tuple[int, ...]) -> bool:
        try:
            if fds:
                socket.send_fds(self._sock, [data], list(fds))
            else:
                self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            # The other end has gone; reading will say so too.
            return True
        return True

    def _writable(self) -> None:
        while self._waiting:
            data, fds = self._waiting[0]
            if not self._sent(data, fds):
                return
            self._waiting.popleft()
            for fd in fds:
                os.close(fd)
        self._writing = False
        self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        # A few, and then the loop's other business.
        for _ in range(16):
            try:
                data, fds = _received(self._sock)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self.close(lost=True)
                return
            try:
                message = self._decode(data)
            except msgspec.MsgspecError as error:
                # Of another version: a sign of life all the same.
                if not self._odd:
                    log.warning("a message between processes cannot be understood: %s", error)
                self._odd = True
                _close_all(fds)
                message, fds = None, []
            self._heard(message, fds)
            if self.closed:
                return

    def read_rest(self) -> None:
        """Hear what the other end has said before it was gone."""
        if not self.closed:
            self._readable()

    def close(self, *, lost: bool = False) -> None:
        """Close this end; what waits is dropped. `lost` tells so."""
        if self.closed:
            return
        number = self._sock.fileno()
        self._loop.remove_reader(number)
        if self._writing:
            self._loop.remove_writer(number)
        self._sock.close()
        while self._waiting:
            _close_all(self._waiting.popleft()[1])
        if lost:
            self._lost()


def _received(sock: socket.socket) -> tuple[bytes, list[int]]:
    """One packet. Descriptors that did not fit are an error: the packet means less without them."""
    size = array.array("i").itemsize * MOST_FDS
    data, ancillary, flags, _ = sock.recvmsg(LARGEST, socket.CMSG_LEN(size), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
        _close_all(fds)
        raise OSError("a packet did not arrive whole")
    return data, list(fds)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
