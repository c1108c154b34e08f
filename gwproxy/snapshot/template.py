"""The path that a service gets, made from the raw segments of the path that the caller sent: copied, never encoded."""

from __future__ import annotations

from collections.abc import Callable

PathMaker = Callable[[bytes, list[bytes]], bytes]
"""(path as it came, its raw segments) → path for the service."""


def unchanged(path: bytes, raw: list[bytes]) -> bytes:
    """The caller's own path."""
    return path


def without_prefix(count: int) -> PathMaker:
    """The path without its first `count` segments; never empty."""

    def make(path: bytes, raw: list[bytes]) -> bytes:
        return b"/" + b"/".join(raw[count:])

    return make


def without_segment(at: int, make: PathMaker) -> PathMaker:
    """What `make` makes of a path that has one segment less, the one at `at`."""

    def shorter(path: bytes, raw: list[bytes]) -> bytes:
        rest = raw[:at] + raw[at + 1 :]
        return make(b"/" + b"/".join(rest), rest)

    return shorter


def filled(service_path: str, names: dict[str, int]) -> PathMaker:
    """`service_path` with each :param, and *, replaced by what stands at its place in the caller's path.

    `names` gives those places (`wire.pattern.parse_pattern`); a rest that is empty leaves no slash of its own behind.
    """
    pieces: list[bytes | int] = []
    literal = b""
    segments = service_path.split("/")[1:]
    rest_at = -1
    for text in segments:
        if text == "*":
            rest_at = names["*"]
        elif text.startswith(":"):
            pieces += [literal + b"/", names[text[1:]]]
            literal = b""
        else:
            literal += b"/" + text.encode()
    if literal:
        pieces.append(literal)
    if rest_at < 0 and len(pieces) == 1 and isinstance(pieces[0], bytes):
        fixed = pieces[0]
        return lambda path, raw: fixed
    return _filler(tuple(pieces), rest_at)


def _filler(pieces: tuple[bytes | int, ...], rest_at: int) -> PathMaker:
    def make(path: bytes, raw: list[bytes]) -> bytes:
        made = b"".join([piece if isinstance(piece, bytes) else raw[piece] for piece in pieces])
        if rest_at < 0:
            return made
        rest = raw[rest_at:]
        return made + b"/" + b"/".join(rest) if rest else made or b"/"

    return make
