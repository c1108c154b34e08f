"""The text of a keys file: an entry goes in or comes out, and everything else stays byte for byte as it was."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from gwproxy.config.scan import Scan

_HEADER: Final = re.compile(r"""\s*\[\[\s*(keys|"keys"|'keys')\s*\]\]""")
# What a basic string of TOML cannot hold as it is.
_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\\x7f]')


class InOneArray(ValueError):
    """The entries do not stand under a [[keys]] each, so that no line is one entry's alone."""


def entry_text(table: str, fields: Mapping[str, str | Sequence[str]]) -> str:
    """An entry under its header, as a file has it; fields that are empty are left out."""
    lines = [f"{name} = {_written(value)}" for name, value in fields.items() if value]
    return "\n".join((f"[[{table}]]", *lines, ""))


def with_entry(text: str, entry: str) -> str:
    """`text` with an entry behind all others. Raises InOneArray."""
    before = text if not text or text.endswith("\n") else f"{text}\n"
    whole = f"{before}\n{entry}" if before else entry
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError as error:
        raise InOneArray from error
    return whole


def without_entries(text: str, numbers: Collection[int]) -> str:
    """`text` without these entries, which are counted from 0.

    An entry is what stands from its header to its last value, and the blank line that parted it from its neighbours.
    Comments before and behind stay. Raises InOneArray.
    """
    lines, scan = text.split("\n"), Scan(text)
    entries: list[Any] = tomllib.loads(text)["keys"]
    spans = []
    for number in numbers:
        first = scan.position(scan.offsets[("keys", number)])[0] - 1
        spans.append((first, _end(lines, first, entries[number])))
    for first, end in sorted(spans, reverse=True):
        parted = first and not lines[first - 1].strip() and not "".join(lines[end : end + 1]).strip()
        del lines[first - 1 if parted else first : end]
    return "\n".join(lines)


def _end(lines: Sequence[str], first: int, entry: Any) -> int:
    """The line behind an entry's last one: where so much of the text, by itself, says what the entry is."""
    if _HEADER.match(lines[first]) is not None:
        for end in range(first + 1, len(lines) + 1):
            if end > first + 1 and _HEADER.match(lines[end - 1]):
                break
            try:
                if tomllib.loads("\n".join((*lines[first:end], ""))) == {"keys": [entry]}:
                    return end
            except tomllib.TOMLDecodeError:
                # A value goes on in the next line.
                continue
    raise InOneArray


def _written(value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        return f"[{', '.join(map(_written, value))}]"
    # A placeholder of the file's own language is none here.
    return '"' + _ESCAPED.sub(_escape, value.replace("${", "$${")) + '"'


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in '"\\' else f"\\u{ord(found[0]):04x}"
