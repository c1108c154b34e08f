"""The head of a service's answer (RFC 9112 sections 4 and 6.3). Whatever breaks a rule makes the answer a 502."""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.wire.fields import ANSWERS, Fields, parse_fields
from gwproxy.wire.request import CHUNKED

UNTIL_CLOSE: Final = -2
"""Instead of a length: the body ends where the connection does."""

_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")


class AnswerHead:
    """What a service answers: status, fields, and how long its body is. `line` is the status line, as HTTP/1.1."""

    __slots__ = ("fields", "keep", "length", "line", "status")

    def __init__(self, line: bytes, status: int, fields: Fields, length: int, keep: bool) -> None:
        self.line = line
        self.status = status
        self.fields = fields
        self.length = length
        self.keep = keep


def unparseable(why: str) -> GatewayError:
    """A service's answer that cannot be understood. The caller is not told which rule it broke; the log is."""
    return GatewayError(
        "bad_gateway", "The service gave an answer that cannot be understood",
        blame=Blame.TARGET, phase=Phase.ANSWER, cause=f"unparseable answer: {why}",
    )  # fmt: skip


def answer_head(head: bytes, method: bytes) -> AnswerHead:
    """Parse a whole head, up to but without its empty line, as the answer to a request of `method`."""
    line, _, block = head.partition(b"\r\n")
    match = _LINE.fullmatch(line)
    if match is None:
        raise unparseable("status line")
    minor, code, reason = match.groups()
    # RFC 9112 section 4 wants the blank even where a service leaves the reason out.
    line = b"HTTP/1.1" + line[8:] if reason is not None else b"HTTP/1.1 %b " % code
    try:
        fields = parse_fields(block, ANSWERS)
    except GatewayError as error:
        raise unparseable(error.detail) from None
    status = int(code)
    keep = not fields.close if minor != b"0" else fields.keep_alive and not fields.close
    length = _length(status, method, minor, fields)
    return AnswerHead(line, status, fields, length, keep and length != UNTIL_CLOSE)


def _length(status: int, method: bytes, minor: bytes, fields: Fields) -> int:
    coding = fields.coding
    if coding:
        if fields.length >= 0:
            raise unparseable("both Content-Length and Transfer-Encoding")
        if minor == b"0" or coding.lower() != b"chunked":
            raise unparseable("transfer coding")
    if status < 200 or status == 204 or status == 304 or method == b"HEAD":
        return 0
    if coding:
        return CHUNKED
    return fields.length if fields.length >= 0 else UNTIL_CLOSE
