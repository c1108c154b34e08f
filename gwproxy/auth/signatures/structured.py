"""Dictionaries of structured fields (RFC 8941), read and written: Signature-Input, Signature, Content-Digest.

Stricter than the RFC where it lets a reader choose: a key that comes twice is refused (RFC 8941 takes the last, so
that two readers of one message may see two values), and base64 must be whole, padding included. The grammar has no
depth beyond one inner list, so nothing here recurses; each byte is looked at a fixed number of times.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

MAX_SIZE: Final = 16 * 1024
"""Bytes of one field, all its lines together."""

KEY: Final = re.compile(r"[a-z*][a-z0-9_\-.*]*")
"""RFC 8941 section 3.1.2: names of members and of parameters."""

_BLANKS: Final = re.compile(r"[ \t]*")
_SPACES: Final = re.compile(r" *")
# RFC 8941 sections 3.3.1 to 3.3.6. A number is followed by what cannot be part of it.
_BARE: Final = re.compile(
    r'"(?P<string>[ !#-\[\]-~]*(?:\\["\\][ !#-\[\]-~]*)*)"'
    r"|(?P<decimal>-?[0-9]{1,12}\.[0-9]{1,3})(?![0-9.])"
    r"|(?P<integer>-?[0-9]{1,15})(?![0-9.])"
    r"|:(?P<bytes>[A-Za-z0-9+/]*={0,2}):"
    r"|\?(?P<boolean>[01])"
    r"|(?P<token>[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*)"
)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_TO_ESCAPE: Final = re.compile(r'["\\]')


class Malformed(ValueError):
    """A field that is no dictionary of structured fields. Its text names the fault and where it is, and no value."""


class Token(NamedTuple):
    """A word without quotes, which is another thing than the string of the same letters."""

    text: str


Bare = bool | int | Decimal | str | bytes | Token
Params = dict[str, Bare]


class Item(NamedTuple):
    """A value with its parameters."""

    value: Bare
    params: Params


class InnerList(NamedTuple):
    """Items in parentheses, and the parameters of the whole."""

    items: list[Item]
    params: Params


Member = Item | InnerList


def parse_dictionary(values: Iterable[bytes]) -> dict[str, Member]:
    """The members of a field by key, from the values of its lines; empty where it has none. Raises Malformed."""
    joined = b", ".join(values)
    if len(joined) > MAX_SIZE:
        raise Malformed(f"more than {MAX_SIZE} bytes")
    if not joined:
        return {}
    try:
        return _Reader(joined.decode("ascii")).dictionary()
    except UnicodeDecodeError:
        raise Malformed("bytes beyond ASCII") from None


class _Reader:
    """A place in the text of one field, and what may stand there (RFC 8941 section 4.2)."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def dictionary(self) -> dict[str, Member]:
        members: dict[str, Member] = {}
        while True:
            key = self._key()
            if key in members:
                raise self._malformed("a key that came before")
            members[key] = self._member()
            self._skip(_BLANKS)
            if self._at == len(self._text):
                return members
            if not self._takes(","):
                raise self._malformed("no comma after a member")
            self._skip(_BLANKS)

    def _member(self) -> Member:
        if not self._takes("="):
            return Item(True, self._params())
        return self._inner_list() if self._takes("(") else self._item()

    def _inner_list(self) -> InnerList:
        items: list[Item] = []
        while True:
            self._skip(_SPACES)
            if self._takes(")"):
                return InnerList(items, self._params())
            items.append(self._item())
            if self._text[self._at : self._at + 1] not in (" ", ")"):
                raise self._malformed("an inner list that does not go on")

    def _item(self) -> Item:
        return Item(self._bare(), self._params())

    def _params(self) -> Params:
        params: Params = {}
        while self._takes(";"):
            self._skip(_SPACES)
            key = self._key()
            if key in params:
                raise self._malformed("a parameter that came before")
            params[key] = self._bare() if self._takes("=") else True
        return params

    def _key(self) -> str:
        found = KEY.match(self._text, self._at)
        if found is None:
            raise self._malformed("no key")
        self._at = found.end()
        return found[0]

    def _bare(self) -> Bare:
        found = _BARE.match(self._text, self._at)
        if found is None:
            raise self._malformed("no value")
        kind = found.lastgroup
        text = found[kind] if kind is not None else ""
        value = self._bytes(text) if kind == "bytes" else _value(kind, text)
        self._at = found.end()
        return value

    def _bytes(self, text: str) -> bytes:
        """Only what encodes to `text` again: bits that base64 leaves unused would let one value be written twice."""
        try:
            value = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise self._malformed("broken base64") from None
        if base64.b64encode(value).decode() != text:
            raise self._malformed("base64 with bits to spare")
        return value

    def _skip(self, blanks: re.Pattern[str]) -> None:
        found = blanks.match(self._text, self._at)
        self._at = found.end() if found is not None else self._at

    def _takes(self, character: str) -> bool:
        if self._text.startswith(character, self._at):
            self._at += 1
            return True
        return False

    def _malformed(self, what: str) -> Malformed:
        return Malformed(f"{what}, at {self._at}")


def _value(kind: str | None, text: str) -> Bare:
    if kind == "string":
        return _ESCAPED.sub(r"\1", text) if "\\" in text else text
    if kind == "integer":
        return int(text)
    if kind == "decimal":
        return Decimal(text)
    return text == "1" if kind == "boolean" else Token(text)


def write_member(member: Member) -> str:
    """The one way to write a member that RFC 8941 section 4.1 knows, whatever way it came."""
    if isinstance(member, Item):
        return write_item(member)
    items = " ".join([write_item(item) for item in member.items])
    return f"({items}){write_params(member.params)}"


def write_item(item: Item) -> str:
    """An item and its parameters."""
    return _write(item.value) + write_params(item.params)


def write_params(params: Params) -> str:
    """Parameters, each with its semicolon; those that are true by their name alone."""
    return "".join([f";{key}" if value is True else f";{key}={_write(value)}" for key, value in params.items()])


def _write(value: Bare) -> str:
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + _TO_ESCAPE.sub(r"\\\g<0>", value) + '"'
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    return value.text if isinstance(value, Token) else _write_decimal(value)


def _write_decimal(value: Decimal) -> str:
    if not value:
        return "0.0"
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"
