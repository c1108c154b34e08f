"""The head of a request (RFC 9112 sections 2 and 3): one pass, all rules, no I/O."""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import GatewayError, refuse
from gwproxy.wire.fields import EXPECT, HOST, REQUESTS, Fields, parse_fields

CHUNKED: Final = -1
"""Instead of a length: the body is in chunks."""

_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f#]+) HTTP/([0-9])\.([0-9])")
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]*)(?::[0-9]{0,5})?")
# CONNECT would make us a tunnel, TRACE would echo credentials (RFC 9110 sections 9.3.6 and 9.3.8).
_REFUSED: Final = frozenset((b"CONNECT", b"TRACE"))
_ALLOW: Final = ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),)


class RequestHead:
    """What a caller asks: the request line, its fields, and how long its body is."""

    __slots__ = ("authority", "expects", "fields", "host", "keep", "length", "method", "minor", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, fields: Fields) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.fields = fields
        self.host = b""
        self.authority = b""
        self.length = 0
        self.expects = False
        self.keep = False


class FieldsOfRequest:
    """What the field lines alone decide, so that a connection may remember it for the next head that is alike."""

    __slots__ = ("authority", "expects", "fields", "has_host", "host", "length")

    def __init__(self, block: bytes) -> None:
        fields = parse_fields(block, REQUESTS)
        self.fields = fields
        authority = _authority(fields)
        self.has_host = authority is not None
        self.authority = authority or b""
        self.host = host_of(self.authority)
        self.length = _length(fields)
        self.expects = False
        for kind, value in fields.special:
            if kind == EXPECT:
                if value.lower() != b"100-continue":
                    raise refuse("expectation_failed", "Only the expectation 100-continue can be met")
                self.expects = True


def parse_line(line: bytes) -> tuple[bytes, bytes, int]:
    """Method, target and minor version of a request line."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise _line_error(line)
    method, target, major, minor = match.groups()
    if major != b"1":
        raise refuse("http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here")
    return method, target, 1 if minor != b"0" else 0


def _line_error(line: bytes) -> Exception:
    if len(parts := line.split(b" ")) == 2 and parts[0].isalpha() and parts[0].isupper():
        return refuse("http_version", "HTTP/0.9 is not spoken here")
    return refuse("bad_request", "Malformed request line")


def request_head(line: bytes, about: FieldsOfRequest) -> RequestHead:
    """The head made of a request line and its fields. Raises GatewayError by RFC 9112's rules."""
    method, target, minor = parse_line(line)
    if method in _REFUSED:
        raise GatewayError("method_not_allowed", "Method Not Allowed", close=True, fields=_ALLOW)
    fields = about.fields
    head = RequestHead(method, target, minor, fields)
    head.authority = about.authority
    head.host = about.host
    head.length = about.length
    if minor:
        if not about.has_host:
            raise refuse("bad_request", "HTTP/1.1 wants a Host field")
        head.expects = about.expects
        head.keep = not fields.close
    else:
        if fields.coding:
            raise refuse("bad_request", "Transfer-Encoding in an HTTP/1.0 request")
        head.keep = fields.keep_alive and not fields.close
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


def _authority(fields: Fields) -> bytes | None:
    found: bytes | None = None
    for kind, value in fields.special:
        if kind == HOST:
            if found is not None:
                raise refuse("bad_request", "More than one Host field")
            found = value
    if found is not None and _HOST.fullmatch(found) is None:
        raise refuse("bad_request", "Bad Host")
    return found


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
        return max(fields.length, 0)
    if fields.length >= 0:
        raise refuse("bad_request", "Both Content-Length and Transfer-Encoding")
    if coding.lower() == b"chunked":
        return CHUNKED
    last = coding.rsplit(b",", 1)[-1].strip(b" \t").lower()
    known = all(c.strip(b" \t").lower() in (b"chunked", b"gzip", b"deflate", b"compress", b"x-gzip", b"identity")
                for c in coding.split(b","))  # fmt: skip
    if known and last == b"chunked" and coding.lower().count(b"chunked") == 1:
        raise refuse("unsupported_transfer_coding", "Of the transfer codings only chunked is understood")
    raise refuse("bad_request", "Bad Transfer-Encoding")
