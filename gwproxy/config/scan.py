"""Where each key of a TOML text stands.

tomllib tells values and no positions. This reads the same tokens once more, for positions and no values; it is only
ever given text that tomllib has accepted, or refused for a key written twice, so it need not refuse anything itself:
what it does not understand ends it (ScanError), and whoever asked does without positions.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Final

from gwproxy.config.problems import Key

_BLANK: Final = re.compile(r"[ \t]*")
_BLANK_LINES: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
# Multi-line strings may end in up to five quotes, two of which are their own.
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
# Numbers, booleans and dates; a date may have one blank before its time, and no other value has one inside.
_SCALAR: Final = re.compile(r"[^\s,\]}#][^,\]}#\n]*")


class ScanError(ValueError):
    """The text is not what the scanner was promised."""


class Scan:
    """Positions of all keys of one text, as offsets; `repeats` has what was written twice, with both offsets."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.offsets: dict[Key, int] = {}
        # Tables with a header of their own, by [x], [[x]] or x = {…}; all others exist only by what is in them.
        self.explicit: set[Key] = set()
        self.repeats: list[tuple[Key, int, int]] = []
        self._lines = [0, *(found.end() for found in re.finditer("\n", self.text))]
        self._elements: dict[Key, int] = {}
        self._at = 0
        self._document()

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _document(self) -> None:
        table: Key = ()
        while self._skip(_BLANK_LINES) < len(self.text):
            if self.text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Key:
        array = self.text.startswith("[[", self._at)
        self._at += 2 if array else 1
        key: Key = ()
        parts = self._key()
        for part, offset in parts[:-1]:
            key = self._latest((*key, part))
            self._note(key, offset)
        name, offset = parts[-1]
        key = (*key, name)
        if array:
            key = self._append(key, offset)
        elif key in self.explicit:
            self.repeats.append((key, self.offsets[key], offset))
        self.offsets[key] = offset
        self.explicit.add(key)
        self._expect("]]" if array else "]")
        return key

    def _append(self, key: Key, offset: int) -> Key:
        """Add an element to an array of tables; its place is that of its header."""
        self._note(key, offset)
        count = self._elements.get(key, 0)
        self._elements[key] = count + 1
        return (*key, count)

    def _latest(self, key: Key) -> Key:
        """Into an array of tables, a key goes on in the element that was written last."""
        count = self._elements.get(key)
        return key if count is None else (*key, count - 1)

    def _pair(self, table: Key) -> None:
        key = table
        parts = self._key()
        for part, offset in parts:
            key = (*key, part)
            known = self.offsets.get(key)
            if known is not None and offset == parts[-1][1]:
                self.repeats.append((key, known, offset))
            self._note(key, offset)
        self._expect("=")
        self._skip(_BLANK)
        self._value(key)

    def _key(self) -> list[tuple[str, int]]:
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            start = self._at
            found = _BARE_KEY.match(self.text, start) or _STRING.match(self.text, start)
            if found is None:
                raise ScanError(start)
            self._at = found.end()
            written = found.group()
            # Quoted keys have the escapes of strings; tomllib knows them all.
            parts.append((tomllib.loads(f"k={written}")["k"] if written[0] in "\"'" else written, start))
            self._skip(_BLANK)
            if not self.text.startswith(".", self._at):
                return parts
            self._at += 1

    def _value(self, key: Key) -> None:
        first = self.text[self._at : self._at + 1]
        if first == "[":
            self._array(key)
        elif first == "{":
            self._inline_table(key)
        elif first in ('"', "'"):
            self._match(_STRING)
        else:
            self._match(_SCALAR)

    def _array(self, key: Key) -> None:
        self._at += 1
        index = 0
        while self._skip(_BLANK_LINES) < len(self.text) and self.text[self._at] != "]":
            self._note((*key, index), self._at)
            self._value((*key, index))
            index += 1
            self._skip(_BLANK_LINES)
            if self.text.startswith(",", self._at):
                self._at += 1
        self._expect("]")

    def _inline_table(self, key: Key) -> None:
        self.explicit.add(key)
        self._at += 1
        while self._skip(_BLANK_LINES) < len(self.text) and self.text[self._at] != "}":
            self._pair(key)
            self._skip(_BLANK_LINES)
            if self.text.startswith(",", self._at):
                self._at += 1
        self._expect("}")

    def _note(self, key: Key, offset: int) -> None:
        self.offsets.setdefault(key, offset)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _match(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self._at)
        if found is None:
            raise ScanError(self._at)
        self._at = found.end()

    def _expect(self, token: str) -> None:
        self._skip(_BLANK)
        if not self.text.startswith(token, self._at):
            raise ScanError(self._at)
        self._at += len(token)
