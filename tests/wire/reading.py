"""What a Receiver makes of the bytes of one caller, as a list of events that can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.wire.receiver import BODY, HEAD, IDLE, REPLIED, REPLYING, Receiver
from gwproxy.wire.request import RequestHead

MAX_HEAD = 32 * 1024


@dataclass
class Read:
    """One request as it was read; `refused` is the word of what ended the reading, in its head or its body."""

    line: tuple[bytes, bytes, int] | None = None
    fields: bytes = b""
    special: tuple[tuple[int, bytes], ...] = ()
    framing: tuple[bytes, int, bool, bool] = (b"", 0, False, False)
    body: bytes = b""
    whole: bool = False
    refused: str = ""

    def as_accepted(self) -> object:
        """All but which of several faults was told first, and what had come of a body before its fault."""
        body = b"" if self.refused else self.body
        return (self.line, self.fields, self.special, self.framing, body, self.whole, bool(self.refused))


def facts(head: RequestHead) -> Read:
    return Read(
        line=(head.method, head.target, head.minor),
        fields=head.fields.joined(),
        special=tuple(head.fields.special),
        framing=(head.host, head.length, head.expects, head.keep),
    )


def read_all(pieces: Iterable[bytes], max_head: int = MAX_HEAD) -> list[Read]:
    """Feed `pieces`, and reply to each request as soon as it is whole."""
    receiver = Receiver(max_head)
    seen: list[Read] = []
    for piece in pieces:
        try:
            _feed(receiver, piece, seen)
        except GatewayError as error:
            if receiver.state == BODY:
                seen[-1].refused = error.code
            else:
                seen.append(Read(refused=error.code))
            break
    return seen


def _feed(receiver: Receiver, data: bytes, seen: list[Read]) -> None:
    while True:
        if receiver.state in (IDLE, HEAD):
            head = receiver.head(data)
            if head is None:
                return
            seen.append(facts(head))
            data = b""
        if receiver.state == BODY:
            data, receiver.held = data or receiver.held, b""
            if not data:
                return
            seen[-1].body += receiver.body(data)
            data = b""
        if receiver.state != REPLYING:
            return
        seen[-1].whole = True
        receiver.move(REPLIED)
        if not receiver.held:
            return


# -- requests to read

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
names = st.text(TOKEN, min_size=1, max_size=12).map(str.encode)
values = st.binary(max_size=20).map(lambda raw: bytes(c for c in raw if c == 9 or 32 <= c != 127))
# Methods that httptools knows.
methods = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD", b"PURGE"])
targets = st.text("abcXYZ019/%-._~!$&'()*+,;=:@?", max_size=20).map(lambda t: b"/" + t.encode())
CLAIMED = frozenset(
    (
        b"host",
        b"connection",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"upgrade",
        b"te",
        b"trailer",
    )
)
plain_fields = st.tuples(names, st.sampled_from([b"", b" ", b" \t"]), values).filter(
    lambda field: field[0].lower() not in CLAIMED
)


@st.composite
def chunked_bodies(draw, payload=None):
    """(payload, its bytes in chunks) with any cuts, extensions and trailers that are allowed."""
    data = draw(st.binary(max_size=60)) if payload is None else payload
    out = b""
    at = 0
    while at < len(data):
        size = draw(st.integers(1, len(data) - at))
        digits = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"000%X"])) % size
        out += digits + draw(extensions) + b"\r\n" + data[at : at + size] + b"\r\n"
        at += size
    out += draw(st.sampled_from([b"0", b"000"])) + draw(extensions) + b"\r\n"
    for name, blank, value in draw(st.lists(plain_fields, max_size=3)):
        out += name + b":" + blank + value + b"\r\n"
    return data, out + b"\r\n"


extensions = st.sampled_from([b"", b";x", b";a=b", b' ;q="y z"', b";" + b"e" * 200])


@st.composite
def requests(draw):
    """One valid request, as bytes."""
    lines = [draw(methods) + b" " + draw(targets) + b" HTTP/1.1"]
    lines += [name + b":" + blank + value for name, blank, value in draw(st.lists(plain_fields, max_size=5))]
    lines.insert(
        draw(st.integers(1, len(lines))), b"Host: " + draw(st.sampled_from([b"a", b"a.b:80", b"[::1]", b""]))
    )
    kind = draw(st.sampled_from(["none", "none", "length", "chunked"]))
    body = b""
    if kind == "length":
        body = draw(st.binary(max_size=60))
        lines.append(b"Content-Length: %d" % len(body))
    elif kind == "chunked":
        _, body = draw(chunked_bodies())
        lines.append(b"Transfer-Encoding: chunked")
    if draw(st.booleans()):
        lines.append(
            b"Connection: " + draw(st.sampled_from([b"keep-alive", b"close", b"X-Gone, keep-alive"]))
        )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


PIECES = (b"\r", b"\n", b"\r\n", b"\x00", b" ", b":", b",", b"Content-Length: 3\r\n", b"Transfer-Encoding: x\r\n",
          b"Host: b\r\n", b"\r\n\r\n", b"0\r\n\r\n", b";", b"HTTP/2.0", b"\xff", b"z")  # fmt: skip


@st.composite
def mutated(draw, source):
    """What is left of a valid message after a few cuts and insertions."""
    raw = draw(source)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        take = draw(st.integers(0, 3))
        raw = raw[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + raw[at + take :]
    return raw


@st.composite
def cut(draw, raw):
    """The same bytes in pieces of any size."""
    points = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    ends = [*points, len(raw)]
    return [raw[a:b] for a, b in zip([0, *points], ends, strict=True)]
