"""One view of the path: split raw, compared decoded, and what could be read two ways is refused.

What the caller sent is what the service gets, byte for byte, so nothing here ever encodes again. A path is ambiguous
when some reader behind us could see other segments in it than we did: dot segments in any spelling, an encoded or
backward slash, a NUL, a broken percent form (RFC 3986 sections 2.1, 3.3 and 5.2.4).
"""

from __future__ import annotations

import re
from typing import Final

from gwproxy.errors import GatewayError

# A path of these characters, and without a segment that is empty or begins with a dot, has one reading.
_PLAIN: Final = re.compile(rb"(?:/(?!\.)[A-Za-z0-9._~!$&'()*+,=:@-]+)+")
_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SLASH: Final = re.compile(rb"%2[Ff]|%5[Cc]|\\")
_CONTROL: Final = re.compile(rb"%[01][0-9A-Fa-f]|%7[Ff]")
_CUT: Final = re.compile(rb"[/\\]")
_FORM: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BYTES: Final = {b"%02x" % n: bytes((n,)) for n in range(256)}


def ambiguous(detail: str) -> GatewayError:
    """A path with two readings. The connection stays open: its framing was clear."""
    return GatewayError("ambiguous_path", detail)


def decode(segment: bytes) -> bytes:
    """The segment with its percent forms undone, once."""
    if b"%" not in segment:
        return segment
    return _FORM.sub(lambda m: _BYTES[m.group(1).lower()], segment)


def smoothed(segments: list[bytes]) -> list[bytes]:
    """Decoded segments as the most generous reader would have them: cut at "/", "\\" and ";", and none empty.

    Many servers drop parameters (";x") and empty segments before they look for what is asked (RFC 3986 section 3.3
    leaves both to them).
    """
    pieces = [piece.split(b";", 1)[0] for segment in segments for piece in _CUT.split(segment)]
    return [piece for piece in pieces if piece]


def split(path: bytes) -> tuple[list[bytes], list[bytes], bool]:
    """The raw segments behind the first slash, the same decoded, and whether a slash stands encoded in one.

    The first two are one list where nobody could read the path otherwise.

    Raises GatewayError (`ambiguous_path`) for a path that could be read two ways, an encoded slash aside: that is the
    route's to allow.
    """
    if _PLAIN.fullmatch(path) is not None:
        segments = path.split(b"/")
        del segments[0]
        return segments, segments, False
    return _split_carefully(path)


def _split_carefully(path: bytes) -> tuple[list[bytes], list[bytes], bool]:
    raw = path.split(b"/")[1:]
    slashes = False
    if b"%" in path or b"\\" in path:
        if _BAD_PERCENT.search(path) is not None:
            raise ambiguous("Broken percent-encoding in the path")
        if _CONTROL.search(path) is not None:
            raise ambiguous("Encoded control character in the path")
        slashes = _SLASH.search(path) is not None
    decoded = [decode(segment) for segment in raw]
    for segment in decoded:
        # Some servers cut parameters (";x") off a segment before they resolve dots, others split at "\" too.
        for piece in _CUT.split(segment):
            if piece.split(b";", 1)[0] in (b".", b".."):
                raise ambiguous("Dot segment in the path")
    return raw, decoded, slashes
