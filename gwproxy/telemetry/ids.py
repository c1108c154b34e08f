"""Request ids: UUIDs of version 7 (RFC 9562 section 5.7), so that they sort by the time they were made."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Final

# What others' ids may look like when a trusted proxy brings them: nothing that could break a log line or a header.
WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9._~+/=@:-]{1,128}")


class RequestIds:
    """Makes ids. A counter in the 26 bits behind the time keeps them distinct, 48 random bits a process apart."""

    __slots__ = ("_clock_ms", "_counter", "_millisecond", "_node", "_prefix")

    def __init__(self, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._clock_ms = clock_ms
        self._node = os.urandom(6).hex().encode()
        self._millisecond = -1
        self._prefix = b""
        self._counter = 0

    def __call__(self) -> bytes:
        """A new id, 36 bytes."""
        millisecond = self._clock_ms()
        self._counter = count = (self._counter + 1) & 0x3FFFFFF
        if millisecond != self._millisecond or not count & 0x3FFF:
            count = self._turn(millisecond, count)
        return b"%b%x-%b" % (self._prefix, 0x8000 | count & 0x3FFF, self._node)

    def _turn(self, millisecond: int, count: int) -> int:
        """Another millisecond, or more ids in one than 14 bits hold."""
        if millisecond > self._millisecond:
            # Starts anew each millisecond, so that ids sort by time and then by order. A clock that steps back is
            # not followed: its milliseconds have been used.
            self._millisecond = millisecond
            self._counter = count = 0
        stamp = b"%012x" % (self._millisecond & 0xFFFFFFFFFFFF)
        self._prefix = b"%b-%b-7%03x-" % (stamp[:8], stamp[8:], count >> 14)
        return count
