"""The head of a request (RFC 9112 sections 2 and 3): one pass, all rules, no I/O."""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import GatewayError, refuse
from gwproxy.wire.fields import EXPECT, HOST, REQUESTS, Fields, parse_fields

CHUNKED: Final = -1
"""Instead of a length: the body is in chunks."""

_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f#]+) HTTP/([0-9])\.([0-9])")
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]*)(?::([0-9]{0,5}))?")
MAX_PORT: Final = 65535
# Authorities met before, as hosts.
_HOSTS: Final[dict[bytes, bytes]] = {}
MAX_HOSTS: Final = 1024
# CONNECT would make us a tunnel, TRACE would echo credentials (RFC 9110 sections 9.3.6 and 9.3.8).
_REFUSED: Final = frozenset((b"CONNECT", b"TRACE"))
_ALLOW: Final = ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),)


class RequestHead:
    """What a caller asks: the request line, and what its fields say. `keep`: the connection may go on after it."""

    __slots__ = ("about", "keep", "method", "minor", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, about: FieldsOfRequest, keep: bool) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.about = about
        self.keep = keep

    @property
    def fields(self) -> Fields:
        """The field lines, sorted."""
        return self.about.fields

    @property
    def authority(self) -> bytes:
        """Host, as it came."""
        return self.about.authority

    @property
    def host(self) -> bytes:
        """Host in lower case, without its port."""
        return self.about.host

    @property
    def length(self) -> int:
        """How long the body is; CHUNKED where the chunks will tell."""
        return self.about.length

    @property
    def expects(self) -> bool:
        """Whether the caller waits for a 100 before it sends its body. HTTP/1.0 cannot."""
        return self.about.expects and self.minor == 1


class FieldsOfRequest:
    """What the field lines alone decide, so that a connection may remember it for the next head that is alike."""

    __slots__ = ("authority", "expects", "fields", "has_host", "host", "length")

    def __init__(self, block: bytes) -> None:
        fields = parse_fields(block, REQUESTS)
        self.fields = fields
        self.has_host = False
        self.authority = b""
        self.host = b""
        self.expects = False
        self.length = 0
        for kind, value in fields.special:
            if kind == HOST:
                self._set_host(value)
            elif kind == EXPECT:
                if value.lower() != b"100-continue":
                    raise refuse("expectation_failed", "Only the expectation 100-continue can be met")
                self.expects = True
        if fields.coding or fields.content_length > 0:
            self.length = _length(fields)

    def _set_host(self, value: bytes) -> None:
        if self.has_host:
            raise refuse("bad_request", "More than one Host field")
        self.has_host = True
        self.authority = value
        host = _HOSTS.get(value)
        if host is None:
            found = _HOST.fullmatch(value)
            if found is None or int(found[1] or 0) > MAX_PORT:
                raise refuse("bad_request", "Bad Host")
            host = host_of(value)
            if len(_HOSTS) < MAX_HOSTS:
                _HOSTS[value] = host
        self.host = host


def _line_error(line: bytes) -> Exception:
    if len(parts := line.split(b" ")) == 2 and parts[0].isalpha() and parts[0].isupper():
        return refuse("http_version", "HTTP/0.9 is not spoken here")
    return refuse("bad_request", "Malformed request line")


def request_head(line: bytes, about: FieldsOfRequest) -> RequestHead:
    """The head made of a request line and its fields. Raises GatewayError by RFC 9112's rules."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise _line_error(line)
    method, target, major, digit = match.groups()
    if major != b"1":
        raise refuse("http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here")
    if method in _REFUSED:
        raise GatewayError("method_not_allowed", "Method Not Allowed", close=True, fields=_ALLOW)
    fields = about.fields
    if digit != b"0":
        if not about.has_host:
            raise refuse("bad_request", "HTTP/1.1 wants a Host field")
        head = RequestHead(method, target, 1, about, not fields.close)
    else:
        if fields.coding:
            raise refuse("bad_request", "Transfer-Encoding in an HTTP/1.0 request")
        head = RequestHead(method, target, 0, about, fields.keep_alive and not fields.close)
    if target[:1] != b"/":
        _other_form(head)
    return head


def _other_form(head: RequestHead) -> None:
    """OPTIONS * and absolute form (RFC 9112 section 3.2), which must agree with Host."""
    target = head.target
    if target == b"*" and head.method == b"OPTIONS":
        return
    scheme, colon, rest = target.partition(b"://")
    if not colon or scheme.lower() not in (b"http", b"https"):
        raise refuse("bad_request", "The request target must be a path")
    cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    if not authority or authority.lower() != head.authority.lower():
        raise refuse("bad_request", "The request target and Host name different authorities")
    head.target = path if path[:1] == b"/" else b"/" + path


def host_of(authority: bytes) -> bytes:
    """The host part of an authority, in lower case, without a final dot."""
    end = authority.rfind(b":")
    if end > authority.rfind(b"]"):
        authority = authority[:end]
    return authority.lower().removesuffix(b".")


def _length(fields: Fields) -> int:
    """RFC 9112 section 6.3, for a request: both framings at once are refused, and so is every coding but chunked."""
    coding = fields.coding
    if not coding:
        return max(fields.content_length, 0)
    if fields.content_length >= 0:
        raise refuse("bad_request", "Both Content-Length and Transfer-Encoding")
    if coding.lower() == b"chunked":
        return CHUNKED
    last = coding.rsplit(b",", 1)[-1].strip(b" \t").lower()
    known = all(c.strip(b" \t").lower() in (b"chunked", b"gzip", b"deflate", b"compress", b"x-gzip", b"identity")
                for c in coding.split(b","))  # fmt: skip
    if known and last == b"chunked" and coding.lower().count(b"chunked") == 1:
        raise refuse("unsupported_transfer_coding", "Of the transfer codings only chunked is understood")
    raise refuse("bad_request", "Bad Transfer-Encoding")
