"""A strict reader of HTTP/1.1 messages, for both the caller's and the service's end.

Written from RFC 9112 and deliberately intolerant: what it does not like is
`Malformed`, so that whatever the gateway writes is held to the letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.support.wire import TIMEOUT_S, Ended, Wire

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FIELD_LINE = re.compile(rb"(%s):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*" % TOKEN)
DECIMAL = re.compile(rb"[0-9]{1,18}")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:;[^\r\n]*)?)")


class Malformed(AssertionError):
    """A message that RFC 9112 does not allow."""


@dataclass(frozen=True)
class Fields:
    """The field lines of a message as they came, in their order and spelling."""

    lines: list[bytes] = field(default_factory=list)

    def pairs(self) -> list[tuple[str, str]]:
        return [_pair(line) for line in self.lines]

    def names(self) -> list[str]:
        return [name for name, _ in self.pairs()]

    def named(self, wanted: str) -> list[str]:
        return [v for name, v in self.pairs() if name.lower() == wanted.lower()]

    def one(self, wanted: str) -> str | None:
        values = self.named(wanted)
        if len(values) > 1:
            raise Malformed(f"{wanted} came {len(values)} times: {values}")
        return values[0] if values else None

    def __contains__(self, name: str) -> bool:
        return bool(self.named(name))


def _pair(line: bytes) -> tuple[str, str]:
    match = FIELD_LINE.fullmatch(line)
    if match is None:
        raise Malformed(f"field line {line[:120]!r}")
    return match[1].decode("latin-1"), match[2].decode("latin-1")


@dataclass(frozen=True)
class Body:
    data: bytes
    clean: bool
    trailers: Fields = field(default_factory=Fields)


def split_head(raw: bytes) -> tuple[bytes, Fields]:
    """The start line and the fields of a head that ends in an empty line."""
    lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    fields = Fields(lines[1:])
    fields.pairs()
    return lines[0], fields


def stated_length(fields: Fields) -> int | None:
    value = fields.one("Content-Length")
    if value is not None and not DECIMAL.fullmatch(value.encode("latin-1")):
        raise Malformed(f"Content-Length {value!r}")
    return None if value is None else int(value)


def is_chunked(fields: Fields) -> bool:
    value = fields.one("Transfer-Encoding")
    if value is None:
        return False
    if value != "chunked":
        raise Malformed(f"Transfer-Encoding {value!r}")
    if "Content-Length" in fields:
        raise Malformed("Content-Length beside Transfer-Encoding")
    return True


async def read_by_length(wire: Wire, size: int, timeout_s: float | None) -> Body:
    try:
        return Body(await wire.read_exactly(size, timeout_s), clean=True)
    except Ended as ended:
        return Body(ended.partial, clean=False)


async def read_until_end(wire: Wire, timeout_s: float | None) -> Body:
    data = await wire.read_all(timeout_s)
    return Body(data, clean=wire.end == "fin")


async def read_chunked(wire: Wire, timeout_s: float | None = TIMEOUT_S) -> Body:
    """A chunked body; not clean when it stops before the end of its trailers."""
    data = bytearray()
    try:
        while size := await _chunk_size(wire, timeout_s):
            chunk = await wire.read_exactly(size + 2, timeout_s)
            if chunk[-2:] != b"\r\n":
                raise Malformed(f"chunk of {size} ends in {chunk[-2:]!r}")
            data += chunk[:-2]
        trailers = await _trailers(wire, timeout_s)
    except Ended:
        return Body(bytes(data), clean=False)
    return Body(bytes(data), clean=True, trailers=trailers)


async def _chunk_size(wire: Wire, timeout_s: float | None) -> int:
    line = (await wire.read_until(b"\r\n", timeout_s))[:-2]
    match = CHUNK_LINE.fullmatch(line)
    if match is None:
        raise Malformed(f"chunk line {line[:80]!r}")
    return int(match[1], 16)


async def _trailers(wire: Wire, timeout_s: float | None) -> Fields:
    lines: list[bytes] = []
    while line := (await wire.read_until(b"\r\n", timeout_s))[:-2]:
        _pair(line)
        lines.append(line)
    return Fields(lines)
