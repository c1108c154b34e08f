"""The ways in which the same bytes may arrive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

MOST_PIECES = 3000
"""Longer messages go in equal steps: still no boundary of a limit is met whole."""

Cut = Callable[[bytes], Iterable[bytes]]


def whole(raw: bytes) -> Iterator[bytes]:
    yield raw


def byte_by_byte(raw: bytes) -> Iterator[bytes]:
    step = 1 + len(raw) // MOST_PIECES
    for start in range(0, len(raw), step):
        yield raw[start : start + step]


def after_each_crlf(raw: bytes) -> Iterator[bytes]:
    yield from re.findall(rb".*?\r\n|.+\Z", raw, re.DOTALL)


WAYS: dict[str, Cut] = {
    "whole": whole,
    "byte by byte": byte_by_byte,
    "cut after each CRLF": after_each_crlf,
}
