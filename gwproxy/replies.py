"""The only writer of the gateway's own answers: problem+json (RFC 9457), fixed replies, and nothing of the input."""

from __future__ import annotations

import http
import time
from email.utils import formatdate
from typing import Final

import orjson

from gwproxy.errors import WORDS, GatewayError
from gwproxy.exchange import Reply

_TYPE: Final = "urn:gwproxy:problem:"
PROBLEM: Final = b"Content-Type: application/problem+json\r\nCache-Control: no-store\r\n"
"""What all problems have."""


def status_line(status: int) -> bytes:
    """A status line with its CRLF and the registered reason phrase."""
    line = _LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d \r\n" % status


# RFC 9110's phrases where http.HTTPStatus has older ones before Python 3.13: a status line must not depend on that.
_RENAMED: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_PHRASES: Final = {status.value: status.phrase for status in http.HTTPStatus} | _RENAMED
_LINES: Final = {status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in _PHRASES.items()}


class _Date:
    """The Date field (RFC 9110 section 6.6.1), made anew each second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._line


date_line: Final = _Date()


def problem(error: GatewayError, request_id: bytes) -> Reply:
    """The reply that tells `error`: its word, its title and its detail."""
    status, title = WORDS[error.code]
    body = orjson.dumps(
        {
            "type": _TYPE + error.code,
            "title": title,
            "status": status,
            "detail": error.detail,
            "error": error.detail,
            "code": error.code,
            "request_id": request_id.decode("latin-1"),
            **error.members,
        }
    )
    lines = PROBLEM + date_line()
    if error.retry_after_s:
        lines += b"Retry-After: %d\r\n" % error.retry_after_s
    for name, value in error.fields:
        lines += b"%b: %b\r\n" % (name, value)
    reply = Reply(status, status_line(status), lines, body, len(body))
    reply.close = error.close
    return reply


def fixed(status: int, lines: bytes, body: bytes) -> Reply:
    """A reply that the configuration wrote; 204 and 304 have no body."""
    lines += date_line()
    if status in (204, 304):
        return Reply(status, status_line(status), lines, b"", -2)
    return Reply(status, status_line(status), lines, body, len(body))
