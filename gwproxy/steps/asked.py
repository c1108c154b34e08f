"""Which version of an API a request asks for: what each of the places says where callers may tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from gwproxy.config.versions import ACCEPT, FORM, HEADER
from gwproxy.wire.accept import accepted
from gwproxy.wire.fields import Fields

# Callers may write the V large, and are told then what is there.
_VERSION: Final = re.compile(f"[vV]?{FORM.removeprefix('v?')}".encode())
_NOTHING: Final = ()


def is_version(text: bytes) -> bool:
    """Whether this has the form of a version; bounded in its length, and safe to repeat."""
    return _VERSION.fullmatch(text) is not None


def kind_of(version: bytes) -> tuple[bool, bool]:
    """What tells v2 from 2 from 2024-06-01, so that the 7 of /users/7 is no version where versions are v1 and v2."""
    return version[:1] in (b"v", b"V"), b"-" in version


class Source(Protocol):
    """A place where a request may say its version. `varies` is the field that answers vary by, `label` for people."""

    @property
    def varies(self) -> str: ...

    @property
    def label(self) -> str: ...

    def said(self, fields: Fields) -> Sequence[bytes]:
        """The versions that it names, the one liked best first; empty where it names none."""


class OfHeader:
    """A header of its own. Lines that contradict each other are one list (RFC 9110 section 5.3), and no version."""

    __slots__ = ("_name", "label", "varies")

    def __init__(self, name: str) -> None:
        self.varies = name
        self.label = f"the header {name}"
        self._name = name.lower().encode()

    def said(self, fields: Fields) -> Sequence[bytes]:
        """What the header says, be it a version or not: it is there to name one."""
        values = fields.get_all(self._name)
        value = values[0] if len(values) == 1 else b", ".join(dict.fromkeys(values))
        return (value,) if value else _NOTHING


class OfAccept:
    """A media type that has the version in it. Other media types, and what is no version in its place, say nothing."""

    __slots__ = ("_begin", "_media_type", "label", "varies")

    def __init__(self, media_type: str) -> None:
        self.varies = "Accept"
        self.label = "Accept"
        before, _, behind = media_type.lower().encode().partition(b"{version}")
        self._begin = before
        self._media_type = re.compile(re.escape(before) + b"(" + _VERSION.pattern + b")" + re.escape(behind))

    def said(self, fields: Fields) -> Sequence[bytes]:
        """The versions of all media types that name one, as much as they are wanted."""
        values = fields.get_all(b"accept")
        if not any(self._begin in value.lower() for value in values):
            return _NOTHING
        found = map(self._media_type.fullmatch, accepted(values))
        return [match[1] for match in found if match is not None]


def source_of(written: str, media_type: str) -> Source:
    """The source that a file calls "accept" or "header:NAME"."""
    return OfAccept(media_type) if written == ACCEPT else OfHeader(written.removeprefix(HEADER))
