"""Where a message's body ends: by length, by chunks, or with the connection. No I/O; fed in any portions.

httptools knows no bound on chunk extensions and trailers and hands trailers out as fields; here both are bounded and
trailers are checked, counted and dropped (RFC 9112 section 7.1.2 allows it; RFC 9110 section 6.5.1 says why).
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from gwproxy.errors import refuse
from gwproxy.wire.fields import MAX_FIELDS, REQUESTS, parse_fields
from gwproxy.wire.request import CHUNKED

MAX_EXTENSION: Final = 256
MAX_EXTENSIONS: Final = 16 * 1024
MAX_TRAILERS: Final = 8 * 1024

# RFC 9112 section 7.1: chunk-size [ chunk-ext ]. Sixteen digits would overflow 63 bits; twelve are 256 TiB.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,12})((?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?)")

# What may still become one.
_BEGUN: Final = re.compile(rb"[0-9A-Fa-f]{1,12}[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r?|\r")


class Decoder(Protocol):
    """Takes the bytes of one message, gives its payload, and knows its end."""

    done: bool

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Payload, and what follows the message once `done`. Raises GatewayError for a broken framing."""


class LengthDecoder:
    """A body of a known length."""

    __slots__ = ("done", "left")

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        left = self.left
        size = len(data)
        if size < left:
            self.left = left - size
            return data, b""
        self.left = 0
        self.done = True
        return (data, b"") if size == left else (data[:left], data[left:])


class CloseDecoder:
    """A body that ends with its connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""


class ChunkDecoder:
    """A body in chunks."""

    __slots__ = ("_extensions", "_held", "_left", "_trailers", "done")

    def __init__(self) -> None:
        self.done = False
        self._held = b""
        # Bytes left of this chunk's data and its CRLF; 0 before a size line.
        self._left = 0
        self._extensions = 0
        self._trailers: list[bytes] | None = None

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        if self._held:
            data = self._held + data
            self._held = b""
        payload: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            if self._left:
                at = self._take(data, at, end, payload)
                if at < 0:
                    break
                continue
            cut = data.find(b"\n", at)
            if cut < 0:
                self._hold(data[at:])
                at = end
            elif self._trailers is None:
                self._size(data[at:cut])
                at = cut + 1
            else:
                self._trailer(data[at:cut])
                at = cut + 1
        rest = data[at:] if self.done else b""
        return (payload[0] if len(payload) == 1 else b"".join(payload)), rest

    def _take(self, data: bytes, at: int, end: int, payload: list[bytes]) -> int:
        """Take what is there of a chunk; its closing CRLF is counted in `_left`. -1: wait for more."""
        left = self._left
        if left > 2:
            take = min(left - 2, end - at)
            payload.append(data[at : at + take] if take < end else data)
            self._left = left - take
            return at + take
        if end - at < 2:
            if data[at] != 13:
                raise refuse("bad_request", "Chunk longer than its size")
            self._held = data[at:]
            return -1
        if data[at] != 13 or data[at + 1] != 10:
            raise refuse("bad_request", "Chunk longer than its size")
        self._left = 0
        return at + 2

    def _hold(self, line: bytes) -> None:
        """Keep the beginning of a line, which must not grow without bound."""
        limit = MAX_EXTENSION + 16 if self._trailers is None else MAX_TRAILERS + 1
        if len(line) > limit:
            raise refuse("bad_request", "Chunk extension or trailer too long")
        if self._trailers is None and _BEGUN.fullmatch(line) is None:
            raise refuse("bad_request", "Bad chunk size")
        self._held = line

    def _size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line, 0, len(line) - 1) if line[-1:] == b"\r" else None
        if match is None:
            raise refuse("bad_request", "Bad chunk size")
        digits, extension = match.groups()
        self._extensions += len(extension)
        if len(extension) > MAX_EXTENSION or self._extensions > MAX_EXTENSIONS:
            raise refuse("bad_request", "Chunk extensions too long")
        size = int(digits, 16)
        if size:
            self._left = size + 2
        else:
            self._trailers = []

    def _trailer(self, line: bytes) -> None:
        trailers = self._trailers
        if trailers is None or line[-1:] != b"\r":
            raise refuse("bad_request", "Bad trailer")
        if line != b"\r":
            trailers.append(line[:-1])
            if len(trailers) > MAX_FIELDS or sum(map(len, trailers)) > MAX_TRAILERS:
                raise refuse("bad_request", "Trailers too long")
            return
        if trailers:
            parse_fields(b"\r\n".join(trailers), REQUESTS)
        self.done = True


def decoder_for(length: int) -> Decoder:
    """The decoder of a body by what its head says: a length, CHUNKED, or else until the connection closes."""
    if length >= 0:
        return LengthDecoder(length)
    return ChunkDecoder() if length == CHUNKED else CloseDecoder()


def chunk(data: bytes) -> bytes:
    """`data` as one chunk. It must not be empty: that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"
