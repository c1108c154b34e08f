"""What an attempt sends, and what comes back."""

from __future__ import annotations

from typing import Final

from gwproxy.wire.answer import AnswerHead
from gwproxy.wire.flow import Body

# RFC 9110 section 9.2.2.
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))


class Times:
    """The timeouts of one route in seconds; `total_s` counts from the exchange's start."""

    __slots__ = ("connect_s", "idle_s", "timeout_s", "total_s")

    def __init__(self, timeout_s: float, connect_s: float, idle_s: float, total_s: float) -> None:
        self.timeout_s = timeout_s
        self.connect_s = connect_s
        self.idle_s = idle_s
        self.total_s = total_s


class Request:
    """One request to a service, for any number of attempts.

    `lines` are the field lines for every target; `host` replaces the target's authority where it isn't empty. A body
    is either whole (`content`), and then may be sent again, or under way (`body`), and can be sent once.
    """

    __slots__ = ("body", "content", "expects", "host", "length", "lines", "method", "path")

    def __init__(self, method: bytes, path: bytes, lines: bytes) -> None:
        self.method = method
        self.path = path
        self.lines = lines
        self.host = b""
        self.content = b""
        self.body: Body | None = None
        # 0: none, also where a Content-Length of 0 is said in `lines`; else as in framing.decoder_for.
        self.length = 0
        self.expects = False

    @property
    def replayable(self) -> bool:
        """Whether a second attempt can send the same bytes, and RFC 9110 allows it without knowing of the first."""
        return self.body is None and self.method in IDEMPOTENT

    def head(self, prefix: bytes, authority: bytes) -> bytes:
        """The head for one target, whose URL has the path `prefix` and this authority."""
        return b"%b %b%b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (
            self.method, prefix, self.path, self.host or authority, self.lines,
        )  # fmt: skip


class Answer:
    """A service's answer: its head, and a body that is whole or under way."""

    __slots__ = ("body", "head", "status")

    def __init__(self, head: AnswerHead, body: bytes | Body) -> None:
        self.head = head
        self.status = head.status
        self.body = body

    def abort(self) -> None:
        """Nobody wants this answer any more; its connection is given up with it."""
        if isinstance(self.body, Body):
            self.body.abort()


def may_resend(*, idempotent: bool, written: bool, reused: bool, answered: bool, replayable: bool) -> bool:
    """Whether a request whose connection died may be sent once more, on a fresh one (RFC 9110 section 9.2.2).

    Only a reused connection can have died of old age; an answer begun proves that the request was worked on; and the
    bytes must still be at hand.
    """
    return reused and not answered and replayable and (idempotent or not written)
