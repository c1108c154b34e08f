"""Field lines of a head: which are ours to read, which never cross, and the one loop that sorts them.

A head is cut into lines in C; what Python does per line is one partition and one look-up of the name as it was
written. Names met for the first time are checked against RFC 9110 section 5.1 and remembered, in a bounded table.
"""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import refuse

# What becomes of a field. KEEP crosses as it is; the others are dropped here, and most are written anew by us.
KEEP: Final = 0
HOP: Final = 1
IDENTITY: Final = 2
HOST: Final = 3
LENGTH: Final = 4
CODING: Final = 5
CONNECTION: Final = 6
EXPECT: Final = 7
FORWARDED_FOR: Final = 8
FORWARDED_PROTO: Final = 9
FORWARDED_HOST: Final = 10
FORWARDED: Final = 11
REAL_IP: Final = 12
FORWARDED_OTHER: Final = 13
VIA: Final = 14
REQUEST_ID: Final = 15
CORRELATION_ID: Final = 16
OWN: Final = 17
CAUSATION_ID: Final = 18
TENANT: Final = 19

_HOP_NAMES: Final = (
    b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"proxy-authorization",
    b"proxy-authenticate", b"proxy-authentication-info", b"http2-settings",
)  # fmt: skip

REQUEST_NAMES: Final[dict[bytes, int]] = {
    **dict.fromkeys(_HOP_NAMES, HOP),
    b"host": HOST,
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"connection": CONNECTION,
    b"expect": EXPECT,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-forwarded-proto": FORWARDED_PROTO,
    b"x-forwarded-host": FORWARDED_HOST,
    b"forwarded": FORWARDED,
    b"x-real-ip": REAL_IP,
    b"via": VIA,
    b"x-request-id": REQUEST_ID,
    b"x-correlation-id": CORRELATION_ID,
    b"x-causation-id": CAUSATION_ID,
    b"x-tenant-id": TENANT,
}

ANSWER_NAMES: Final[dict[bytes, int]] = {
    **dict.fromkeys((*_HOP_NAMES[:5], *_HOP_NAMES[6:]), HOP),
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"connection": CONNECTION,
    b"x-request-id": OWN,
    b"x-service": OWN,
    b"x-latency": OWN,
}

# A service that folds names (WSGI's HTTP_X_USER_ID) sees X_User.Id as X-User-Id, so these are compared folded too.
IDENTITY_NAMES: Final = frozenset(
    (b"xuserid", b"xuserrole", b"xusertier", b"xtenantid", b"xtenantplan", b"xgwproxyidentity")
)
_FORWARDED_FOLDED: Final = frozenset(
    (b"xforwardedfor", b"xforwardedproto", b"xforwardedhost", b"xforwardedport", b"xforwardedprefix",
     b"xforwardedserver", b"xforwardedscheme", b"xforwardeduri", b"xforwardedmethod", b"xforwardedssl", b"xrealip",
     b"xrequestid", b"xcorrelationid", b"xcausationid", b"xoriginalurl", b"xrewriteurl")
)  # fmt: skip

MAX_FIELDS: Final = 100
MAX_LINE: Final = 8192
MAX_DIGITS: Final = 18
_REMEMBERED: Final = 2048

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_ALNUM: Final = bytes(c for c in range(256) if not chr(c).isascii() or not chr(c).isalnum())
# RFC 9110 section 5.5: visible characters, blanks and obs-text.
_ALLOWED: Final = bytes((9, *range(0x20, 0x7F), *range(0x80, 0x100)))


Line = tuple[int, bytes, bytes, bytes]
"""A field line, read: its kind, its name in lower case, the line with its CRLF, its value."""

# Lines with these carry what is one caller's own, or new each time: they are read each time.
_NOT_REMEMBERED: Final = frozenset(
    (b"authorization", b"cookie", b"set-cookie", b"etag", b"if-none-match", b"last-modified", b"if-modified-since",
     b"x-api-key", b"x-request-id", b"x-correlation-id", b"x-causation-id", b"traceparent")
)  # fmt: skip


def folded(name: bytes) -> bytes:
    """A field's name as the laxest reader sees it: letters and digits, in lower case."""
    return name.lower().translate(None, _NOT_ALNUM)


class Names:
    """What the field lines of one direction mean: each name by its spelling, and lines that come again and again."""

    __slots__ = ("_aliases", "_kinds", "lines", "seen")

    def __init__(self, kinds: dict[bytes, int], *, aliases: bool) -> None:
        self._kinds = kinds
        self._aliases = aliases
        self.seen: dict[bytes, tuple[int, bytes]] = {}
        self.lines: dict[bytes, Line] = {}

    def learn(self, name: bytes) -> tuple[int, bytes]:
        """Kind and lower-case form of a name not met yet. Raises GatewayError for one that is no token."""
        if _TOKEN.fullmatch(name) is None:
            raise refuse("bad_request", "Malformed field name")
        lower = name.lower()
        found = (self.kind(lower), lower)
        if len(self.seen) < _REMEMBERED and len(name) <= 64:
            self.seen[name] = found
        return found

    def read(self, line: bytes) -> Line:
        """A line not met lately. Raises GatewayError for what RFC 9110 section 5 does not allow."""
        name, colon, value = line.partition(b":")
        kind, lower = self.seen.get(name) or self.learn(name)
        if not colon:
            raise refuse("bad_request", "Header line without a colon")
        if line.translate(None, _ALLOWED):
            raise refuse("bad_request", "Control character in a header field")
        if len(line) > MAX_LINE:
            raise refuse("head_too_large", f"Header line of more than {MAX_LINE} bytes")
        read = (kind, lower, line + b"\r\n", value.strip(b" \t"))
        if len(line) <= 160 and lower not in _NOT_REMEMBERED:
            if len(self.lines) >= _REMEMBERED:
                self.lines.clear()
            self.lines[line] = read
        return read

    def kind(self, lower: bytes) -> int:
        """What becomes of fields of this lower-case name."""
        kind = self._kinds.get(lower)
        if kind is not None or not self._aliases:
            return kind or KEEP
        plain = folded(lower)
        if plain in IDENTITY_NAMES:
            return IDENTITY
        return FORWARDED_OTHER if plain in _FORWARDED_FOLDED else KEEP


REQUESTS: Final = Names(REQUEST_NAMES, aliases=True)
ANSWERS: Final = Names(ANSWER_NAMES, aliases=False)


class Fields:
    """The field lines of one head, sorted. Immutable once parsed, and shared by heads that are alike.

    `kept` holds the lines that cross, `special` those that we read ourselves, as (kind, value).
    """

    __slots__ = ("close", "coding", "content_length", "keep_alive", "kept", "nominated", "special")

    def __init__(self) -> None:
        self.kept: list[Line] = []
        self.special: list[tuple[int, bytes]] = []
        self.content_length = -1
        self.coding = b""
        self.close = False
        self.keep_alive = False
        self.nominated: frozenset[bytes] = frozenset()

    def get(self, name: bytes) -> bytes | None:
        """The value of the first kept field of this lower-case name."""
        for _, known, _, value in self.kept:
            if known == name:
                return value
        return None

    def get_all(self, name: bytes) -> list[bytes]:
        """The values of all kept fields of this lower-case name, in order."""
        return [value for _, known, _, value in self.kept if known == name]

    def special_value(self, kind: int) -> bytes | None:
        """The last value of one special kind."""
        found = None
        for known, value in self.special:
            if known == kind:
                found = value
        return found

    def joined(self) -> bytes:
        """The kept lines as they stand in a head, each with its CRLF."""
        return b"".join([line[2] for line in self.kept])


def parse_fields(block: bytes, names: Names) -> Fields:
    """Sort the field lines of `block` (no empty line at its end). Raises GatewayError, worded as for a request."""
    fields = Fields()
    read_fields(fields, block, names)
    return fields


def read_fields(fields: Fields, block: bytes, names: Names) -> None:
    """Sort the field lines of `block` into `fields`."""
    if not block:
        return
    lines = block.split(b"\r\n")
    if len(lines) > MAX_FIELDS:
        raise refuse("head_too_large", f"More than {MAX_FIELDS} header fields")
    remembered = names.lines
    kept = fields.kept
    for text in lines:
        line = remembered.get(text) or names.read(text)
        kind = line[0]
        if kind == KEEP:
            kept.append(line)
        elif (
            kind == LENGTH and fields.content_length < 0 and len(line[3]) <= MAX_DIGITS and line[3].isdigit()
        ):
            fields.content_length = int(line[3])
        elif kind != HOP:
            _special(fields, kind, line[3])
    if fields.nominated:
        fields.kept = [line for line in kept if line[1] not in fields.nominated]


def _special(fields: Fields, kind: int, value: bytes) -> None:
    if kind == LENGTH:
        # Two lengths, even equal ones, are two readings of one message (RFC 9112 section 6.3 allows refusing both).
        raise refuse("bad_request", "Bad or repeated Content-Length")
    if kind == CODING:
        fields.coding = fields.coding + b"," + value if fields.coding else value or b"?"
    elif kind == CONNECTION:
        _connection(fields, value.lower())
    else:
        fields.special.append((kind, value))


def _connection(fields: Fields, value: bytes) -> None:
    if value == b"keep-alive":
        fields.keep_alive = True
        return
    options = {option.strip(b" \t") for option in value.split(b",")}
    fields.close = fields.close or b"close" in options
    fields.keep_alive = fields.keep_alive or b"keep-alive" in options
    fields.nominated |= options - {b"close", b"keep-alive", b""}
