"""The receiving half of one caller's connection, without I/O: what may come next, and what was wrong with what came.

```
idle ──bytes──▶ head ──whole, no body──▶ replying ──replied, kept──▶ idle
                  │                        ▲   │
                  └──whole, a body──▶ body ┘   └──replied, not kept──▶ lingering ──▶ closed
                                       └──replied before its end──▶ lingering
```
Lingering reads and drops for a while, so that the last answer is not lost to a reset (RFC 9112 section 9.6). Requests
are never parsed ahead: what a caller pipelines waits as bytes, and the connection stops reading beyond `READ_AHEAD`.
"""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import refuse
from gwproxy.wire.fields import MAX_LINE
from gwproxy.wire.framing import ChunkDecoder, Decoder, LengthDecoder
from gwproxy.wire.request import FieldsOfRequest, RequestHead, request_head

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
REPLYING: Final = 3
LINGERING: Final = 4
CLOSED: Final = 5

BYTES: Final = 0
HEAD_WHOLE: Final = 1
HEAD_WITH_BODY: Final = 2
BODY_WHOLE: Final = 3
REPLIED: Final = 4
REPLIED_LAST: Final = 5
BROKEN: Final = 6
LOST: Final = 7

_NO: Final = -1
# state × event → state. _NO is a mistake of ours, not of the caller's.
TABLE: Final[tuple[tuple[int, ...], ...]] = (
    # BYTES      HEAD_WHOLE HEAD_W_BODY BODY_WHOLE REPLIED    REPLIED_LAST BROKEN     LOST
    (HEAD, _NO, _NO, _NO, _NO, LINGERING, LINGERING, CLOSED),  # IDLE
    (HEAD, REPLYING, BODY, _NO, _NO, LINGERING, LINGERING, CLOSED),  # HEAD
    (BODY, _NO, _NO, REPLYING, LINGERING, LINGERING, BODY, CLOSED),  # BODY
    (REPLYING, _NO, _NO, _NO, IDLE, LINGERING, REPLYING, CLOSED),  # REPLYING
    (LINGERING, _NO, _NO, _NO, _NO, LINGERING, LINGERING, CLOSED),  # LINGERING
    (CLOSED, _NO, _NO, _NO, _NO, CLOSED, CLOSED, CLOSED),  # CLOSED
)

READ_AHEAD: Final = 64 * 1024
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)(?!\Z)|\x00")
_START: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]")


class Receiver:
    """Bytes of one caller in, request heads and bodies out."""

    __slots__ = ("_block", "_scanned", "about", "decoder", "held", "max_head", "state")

    def __init__(self, max_head: int) -> None:
        self.state = IDLE
        self.max_head = max_head
        self.held = b""
        self.decoder: Decoder | None = None
        self._scanned = 0
        # A caller's heads are mostly alike but for the line: the last block of fields is kept with what it meant.
        self._block = b""
        self.about: FieldsOfRequest | None = None

    def __repr__(self) -> str:
        names = ("idle", "head", "body", "replying", "lingering", "closed")
        return f"<Receiver {names[self.state]}, {len(self.held)} bytes held>"

    def move(self, event: int) -> None:
        """Take one transition of TABLE."""
        state = TABLE[self.state][event]
        if state == _NO:
            raise AssertionError(f"event {event} in {self!r}")
        self.state = state

    def head(self, data: bytes) -> RequestHead | None:
        """Add `data`; the next request's head once it is whole. Raises GatewayError by the rules of RFC 9112."""
        if self.held:
            data = self.held + data
        elif not data:
            return None
        end = data.find(b"\r\n\r\n", self._scanned)
        if end < 0 or data[0] == 13:
            return self._unfinished(data)
        cut = data.find(b"\r\n")
        if end > self.max_head or cut > MAX_LINE:
            self._too_large(cut)
        block = data[cut + 2 : end]
        about = self.about
        if about is None or block != self._block:
            about = FieldsOfRequest(block)
            self.about = about
            self._block = block
        head = request_head(data[:cut], about)
        self._scanned = 0
        self.held = data[end + 4 :]
        length = about.length
        if length == 0:
            self.state = TABLE[HEAD][HEAD_WHOLE]
        else:
            self.decoder = LengthDecoder(length) if length > 0 else ChunkDecoder()
            self.state = TABLE[HEAD][HEAD_WITH_BODY]
        return head

    def _unfinished(self, data: bytes) -> RequestHead | None:
        """Not whole yet: an empty line before it is passed over, and what can be refused at once is."""
        if self.state == IDLE and data[0] == 13:
            # RFC 9112 section 2.2: one empty line before a request is tolerated.
            if data == b"\r":
                self.held = data
                return None
            if data[:2] == b"\r\n":
                self.held = b""
                self.move(BYTES)
                return self.head(data[2:])
        self.move(BYTES)
        if _START.match(data) is None or _BARE.search(data, max(self._scanned - 1, 0)) is not None:
            raise refuse("bad_request", "Malformed request head")
        cut = data.find(b"\r\n")
        # What may yet turn out to be the CRLFs that end them doesn't count.
        if len(data) > self.max_head + 3 or (len(data) - 1 if cut < 0 else cut) > MAX_LINE:
            self._too_large(len(data) - 1 if cut < 0 else cut)
        self.held = data
        self._scanned = max(len(data) - 3, 0)
        return None

    def _too_large(self, line: int) -> None:
        if line > MAX_LINE:
            raise refuse("uri_too_long", f"Request line of more than {MAX_LINE} bytes")
        raise refuse("head_too_large", f"Request head of more than {self.max_head} bytes")

    def body(self, data: bytes) -> bytes:
        """The payload in `data`; moves on when the body is whole. Raises GatewayError for a broken framing."""
        decoder = self.decoder
        assert decoder is not None
        payload, rest = decoder.feed(data)
        if decoder.done:
            self.held = rest
            self.decoder = None
            if self.state == BODY:
                self.move(BODY_WHOLE)
        return payload

    def forget(self) -> None:
        """Let go of what only speeds up the next head: the caller has been silent for a while."""
        self._block = b""
        self.about = None
