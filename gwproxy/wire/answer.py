"""The receiving half of a connection to a service, without I/O: heads of answers (RFC 9112 sections 4 and 6.3).

Whatever breaks a rule makes the answer a 502.
"""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.wire.fields import ANSWERS, Fields, read_fields
from gwproxy.wire.request import CHUNKED

UNTIL_CLOSE: Final = -2
"""Instead of a length: the body ends where the connection does."""

MAX_HEAD: Final = 64 * 1024
MAX_INTERIM: Final = 32

_NOTHING: Final[frozenset[bytes]] = frozenset()
# Status lines met before: line → as HTTP/1.1 with CRLF, status, minor version.
_LINES: Final[dict[bytes, tuple[bytes, int, int]]] = {}
_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")


class AnswerHead(Fields):
    """What a service answers: its status, its fields, and how long its body is, as framing.decoder_for wants it.

    `line` is the status line, as HTTP/1.1 and with its CRLF, and `lines` the fields that cross; `keep`: the connection
    may go on after it. Answers that are alike share one: nobody changes it.
    """

    __slots__ = ("keep", "length", "line", "lines", "status")

    def __init__(self, line: bytes, status: int) -> None:
        self.kept = []
        self.special = []
        self.content_length = -1
        self.coding = b""
        self.close = False
        self.keep_alive = False
        self.nominated = _NOTHING
        self.line = line
        self.lines = b""
        self.status = status
        self.length = 0
        self.keep = False


class AnswerReceiver:
    """Bytes of one service in, heads of answers out.

    A service's answers are often alike for a while: the last head is kept with what it meant, for this connection only.
    """

    __slots__ = ("_head", "_interims", "_last_method", "_method", "_text", "answered", "held")

    def __init__(self) -> None:
        self.held = b""
        self.answered = False
        self._interims = 0
        self._method = b""
        self._text = b""
        self._last_method = b""
        self._head: AnswerHead | None = None

    def expect(self, method: bytes) -> None:
        """A request of `method` goes out. `answered` tells from here whether any byte has come back."""
        self._method = method
        self._interims = 0
        self.answered = False

    def head(self, data: bytes) -> AnswerHead | None:
        """Add `data`; the next head once it is whole, an interim one too. What came behind it is in `held`.

        Raises GatewayError (`bad_gateway`) for what RFC 9112 does not allow.
        """
        self.answered = True
        if self.held:
            data = self.held + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            self._unfinished(data, end)
            return None
        text = data[:end]
        self.held = data[end + 4 :]
        if text == self._text and self._method == self._last_method:
            return self._head
        head = answer_head(text, self._method)
        if head.status < 200:
            self._interim(head)
            return head
        self._text = text
        self._last_method = self._method
        self._head = head
        return head

    def _unfinished(self, data: bytes, end: int) -> None:
        if not data.startswith(b"HTTP/1."[: len(data)]):
            raise unparseable("status line")
        if end > MAX_HEAD or len(data) > MAX_HEAD:
            raise unparseable(f"head of more than {MAX_HEAD} bytes")
        self.held = data

    def _interim(self, head: AnswerHead) -> None:
        self._interims += 1
        if head.status == 101:
            raise unparseable("101 without an upgrade asked for")
        if self._interims > MAX_INTERIM:
            raise unparseable(f"more than {MAX_INTERIM} interim answers")


def unparseable(why: str) -> GatewayError:
    """A service's answer that cannot be understood. The caller is not told which rule it broke; the log is."""
    return GatewayError(
        "bad_gateway", "The service gave an answer that cannot be understood",
        blame=Blame.TARGET, phase=Phase.ANSWER, cause=f"unparseable answer: {why}",
    )  # fmt: skip


def answer_head(head: bytes, method: bytes) -> AnswerHead:
    """Parse a whole head, up to but without its empty line, as the answer to a request of `method`."""
    text, _, block = head.partition(b"\r\n")
    line, status, minor = _LINES.get(text) or _status_line(text)
    answer = AnswerHead(line, status)
    try:
        read_fields(answer, block, ANSWERS)
    except GatewayError as error:
        raise unparseable(error.detail) from None
    if (
        answer.coding
        or answer.content_length < 0
        or status < 200
        or status == 204
        or status == 304
        or method == b"HEAD"
    ):
        answer.length = _size(answer, method, minor)
    else:
        answer.length = answer.content_length
    answer.lines = answer.joined()
    keep = not answer.close if minor else answer.keep_alive and not answer.close
    answer.keep = keep and answer.length != UNTIL_CLOSE
    return answer


def _status_line(text: bytes) -> tuple[bytes, int, int]:
    match = _LINE.fullmatch(text)
    if match is None:
        raise unparseable("status line")
    minor, code, reason = match.groups()
    # RFC 9112 section 4 wants the blank even where a service leaves the reason out.
    line = b"HTTP/1.1" + text[8:] if reason is not None else b"HTTP/1.1 %b " % code
    read = (line + b"\r\n", int(code), 1 if minor != b"0" else 0)
    if len(_LINES) < 256 and len(text) < 64:
        _LINES[text] = read
    return read


def _size(answer: AnswerHead, method: bytes, minor: int) -> int:
    """RFC 9112 section 6.3, for an answer."""
    if answer.coding:
        if answer.content_length >= 0:
            raise unparseable("both Content-Length and Transfer-Encoding")
        if not minor or answer.coding.lower() != b"chunked":
            raise unparseable("transfer coding")
    if answer.status < 200 or answer.status in (204, 304) or method == b"HEAD":
        return 0
    if answer.coding:
        return CHUNKED
    return answer.content_length if answer.content_length >= 0 else UNTIL_CLOSE
