"""What of a request can be signed, as its signer saw it: the request line, the target URI, the fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gwproxy.wire.fields import (
    CODING,
    CONNECTION,
    FORWARDED_OTHER,
    HOP,
    HOST,
    IDENTITY,
    KEEP,
    LENGTH,
    REQUESTS,
)
from gwproxy.wire.request import RequestHead

_DEFAULT_PORTS: Final = {b"http": b"80", b"https": b"443"}
_NEVER: Final = frozenset((HOP, CODING, CONNECTION, IDENTITY, FORWARDED_OTHER))


class SignedRequest:
    """A request, for its verifier. `values` gives the values of a lower-case name's field lines, in order, stripped.

    `target` is a path with its query, or "*". `scheme` and `authority` are the caller's, so behind a trusted proxy what
    that says they were.
    """

    __slots__ = ("authority", "has_body", "method", "path", "query", "scheme", "target", "values")

    def __init__(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        target: bytes,
        values: Callable[[bytes], Sequence[bytes]],
        *,
        has_body: bool = False,
    ) -> None:
        self.method = method
        self.scheme = scheme.lower()
        self.authority = normal_authority(authority, self.scheme)
        self.target = target
        path, mark, query = target.partition(b"?")
        self.path = path
        # With its "?", as in Exchange.
        self.query = mark + query
        self.values = values
        self.has_body = has_body


def signed_request(head: RequestHead, scheme: bytes, authority: bytes) -> SignedRequest:
    """The request with this head. A target in absolute form counts as its path: the rest of it agreed with Host."""
    return SignedRequest(
        head.method,
        scheme,
        authority,
        head.target,
        lambda name: values_of(head, name),
        has_body=head.length != 0,
    )


def values_of(head: RequestHead, name: bytes) -> Sequence[bytes]:
    """The values of all field lines of this lower-case name, those that never cross to a service aside."""
    kind = REQUESTS.kind(name)
    if kind == KEEP:
        return head.fields.get_all(name)
    if kind == HOST:
        return (head.authority,) if head.about.has_host else ()
    if kind == LENGTH:
        length = head.fields.content_length
        return (b"%d" % length,) if length >= 0 else ()
    if kind in _NEVER:
        return ()
    return [value for known, value in head.fields.special if known == kind]


def can_be_seen(name: bytes) -> bool:
    """Whether fields of this lower-case name can reach a verifier at all: those of one hop and forged ones cannot."""
    return REQUESTS.kind(name) not in _NEVER


def normal_authority(authority: bytes, scheme: bytes) -> bytes:
    """In lower case, without the scheme's own port (RFC 9421 section 2.2.3, RFC 9110 section 4.2.3)."""
    authority = authority.lower()
    host, colon, port = authority.rpartition(b":")
    if not colon or b"]" in port:
        return authority
    return host if not port or port == _DEFAULT_PORTS.get(scheme) else authority
