"""The head of a service's answer (RFC 9112 sections 4 and 6.3). Whatever breaks a rule makes the answer a 502."""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.wire.fields import ANSWERS, Fields, read_fields
from gwproxy.wire.request import CHUNKED

UNTIL_CLOSE: Final = -2
"""Instead of a length: the body ends where the connection does."""

_NOTHING: Final[frozenset[bytes]] = frozenset()
# Status lines met before: line → as HTTP/1.1 with CRLF, status, minor version.
_LINES: Final[dict[bytes, tuple[bytes, int, int]]] = {}
_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")


class AnswerHead(Fields):
    """What a service answers: its status, its fields, and how long its body is, as framing.decoder_for wants it.

    `line` is the status line, as HTTP/1.1 and with its CRLF; `keep`: the connection may go on after it.
    """

    __slots__ = ("keep", "length", "line", "status")

    def __init__(self, line: bytes, status: int) -> None:
        self.kept = []
        self.special = []
        self.content_length = -1
        self.coding = b""
        self.close = False
        self.keep_alive = False
        self.nominated = _NOTHING
        self.line = line
        self.status = status
        self.length = 0
        self.keep = False

    @property
    def fields(self) -> Fields:
        """Its field lines: itself, read as such."""
        return self


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
