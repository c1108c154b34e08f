"""Path patterns: `/users/:id/files/*`, as a tuple of segments that a table of routes can compare."""

from __future__ import annotations

from typing import Final

from gwproxy.wire.path import decode

STATIC: Final = 0
PARAM: Final = 1
REST: Final = 2

Segment = tuple[int, bytes]
"""Kind, and the decoded literal (empty for a parameter or the rest)."""

Pattern = tuple[Segment, ...]


def parse_pattern(path: str) -> tuple[Pattern, dict[str, int]]:
    """The segments of a route's path, and where each of its parameters stands."""
    segments: list[Segment] = []
    names: dict[str, int] = {}
    for at, text in enumerate(path.split("/")[1:]):
        if text == "*":
            segments.append((REST, b""))
            names["*"] = at
        elif text.startswith(":"):
            segments.append((PARAM, b""))
            names[text[1:]] = at
        else:
            segments.append((STATIC, decode(text.encode())))
    return tuple(segments), names


def rank(pattern: Pattern) -> tuple[int, ...]:
    """Sorts patterns best first: at every segment static before a parameter before the rest."""
    return tuple(kind for kind, _ in pattern)
