"""Where a credential stands in a request: how it is found, and what is left of the request without it."""

from __future__ import annotations

from typing import Final, Protocol

from gwproxy.auth.principal import Unproved
from gwproxy.exchange import Exchange
from gwproxy.wire.fields import Line, folded
from gwproxy.wire.path import decode

AUTHORIZATION: Final = b"authorization"


class Place(Protocol):
    """One place. `remembered`: requests with the same field lines have the same credential in it. `where`: two places
    of the same are one: a bearer token and an API key in Authorization are the same credential. `names` are those of
    the fields that it may stand in, in lower case; None where any may be one.
    """

    remembered: bool

    @property
    def names(self) -> frozenset[bytes] | None:
        """Which fields it may stand in."""

    @property
    def where(self) -> tuple[object, ...]:
        """What it is, and its name."""

    def find(self, exchange: Exchange) -> bytes | None:
        """The credential; None where there is none. Raises Unproved where there are several."""

    def without(self, line: Line) -> bytes:
        """What is left of a field line when the credential is taken out: most often the line itself."""

    def query_without(self, query: bytes) -> bytes:
        """What is left of a query, which begins with its "?"."""


class Header:
    """A header of the credential's own, or Authorization with one of `schemes` (lower case, RFC 9110 section 11.4).

    Elsewhere than in Authorization the scheme may be left out.
    """

    __slots__ = ("_bare", "_name", "_schemes")

    remembered = True

    def __init__(self, name: str, schemes: tuple[bytes, ...]) -> None:
        self._name = name.lower().encode()
        self._schemes = schemes
        self._bare = self._name != AUTHORIZATION

    @property
    def names(self) -> frozenset[bytes] | None:
        """As Place's."""
        return frozenset((self._name,))

    @property
    def where(self) -> tuple[object, ...]:
        """As Place's."""
        return "header", self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Header) and (self._name, self._schemes) == (other._name, other._schemes)

    def __hash__(self) -> int:
        return hash((self._name, self._schemes))

    def find(self, exchange: Exchange) -> bytes | None:
        """As Place's."""
        found, wanted = None, self._name
        for line in [line for line in exchange.head.about.fields.kept if line[1] == wanted]:
            credential = self._credential(line[3])
            if credential is not None:
                if found is not None:
                    raise Unproved("two credentials in one request")
                found = credential
        return found

    def without(self, line: Line) -> bytes:
        """As Place's."""
        return b"" if line[1] == self._name and self._credential(line[3]) is not None else line[2]

    def query_without(self, query: bytes) -> bytes:
        """As Place's."""
        return query

    def _credential(self, value: bytes) -> bytes | None:
        scheme, blank, rest = value.replace(b"\t", b" ").partition(b" ")
        if blank and scheme.lower() in self._schemes:
            return rest.strip(b" ")
        return value if self._bare and value else None


class Cookie:
    """A cookie (RFC 6265 section 5.4). Its name is compared as it is written, without the blanks around it, which many
    servers drop.
    """

    __slots__ = ("_name",)

    remembered = True

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    @property
    def names(self) -> frozenset[bytes] | None:
        """As Place's."""
        return frozenset((b"cookie",))

    @property
    def where(self) -> tuple[object, ...]:
        """As Place's."""
        return "cookie", self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cookie) and self._name == other._name

    def __hash__(self) -> int:
        return hash((Cookie, self._name))

    def find(self, exchange: Exchange) -> bytes | None:
        """As Place's."""
        found = None
        for value in exchange.head.about.fields.get_all(b"cookie"):
            for pair in value.split(b";"):
                name, equals, content = pair.partition(b"=")
                content = content.strip(b" \t").strip(b'"')
                if equals and name.strip(b" \t") == self._name and content:
                    if found is not None:
                        raise Unproved("two credentials in one request")
                    found = content
        return found

    def without(self, line: Line) -> bytes:
        """As Place's: the other cookies stay as they were written."""
        if line[1] != b"cookie" or self._name not in line[3]:
            return line[2]
        pairs = [pair.strip(b" \t") for pair in line[3].split(b";")]
        left = [pair for pair in pairs if pair.partition(b"=")[0].strip(b" \t") != self._name]
        if len(left) == len(pairs):
            return line[2]
        return b"Cookie: %b\r\n" % b"; ".join(left) if left else b""

    def query_without(self, query: bytes) -> bytes:
        """As Place's."""
        return query


class Query:
    """A key of the query. Whatever carries it is often logged on its way: a header is the better place."""

    __slots__ = ("_name",)

    remembered = False

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    @property
    def names(self) -> frozenset[bytes] | None:
        """As Place's."""
        return frozenset()

    @property
    def where(self) -> tuple[object, ...]:
        """As Place's."""
        return "query", self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self._name == other._name

    def __hash__(self) -> int:
        return hash((Query, self._name))

    def find(self, exchange: Exchange) -> bytes | None:
        """As Place's."""
        found = None
        for pair in exchange.query[1:].split(b"&"):
            name, _, value = pair.partition(b"=")
            if decode(name) == self._name and value:
                if found is not None:
                    raise Unproved("two credentials in one request")
                found = decode(value)
        return found

    def without(self, line: Line) -> bytes:
        """As Place's."""
        return line[2]

    def query_without(self, query: bytes) -> bytes:
        """As Place's: the other pairs stay as they came."""
        pairs = query[1:].split(b"&")
        left = [pair for pair in pairs if decode(pair.partition(b"=")[0]) != self._name]
        if len(left) == len(pairs):
            return query
        return b"?" + b"&".join(left) if left else b""


class Forged:
    """Callers' own copies of a header that is the gateway's to write, in every spelling. Never a credential."""

    __slots__ = ("_folded",)

    remembered = True

    def __init__(self, name: str) -> None:
        self._folded = folded(name.encode())

    @property
    def names(self) -> frozenset[bytes] | None:
        """As Place's."""
        return None

    @property
    def where(self) -> tuple[object, ...]:
        """As Place's."""
        return "forged", self._folded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Forged) and self._folded == other._folded

    def __hash__(self) -> int:
        return hash((Forged, self._folded))

    def find(self, exchange: Exchange) -> None:
        """Never."""

    def without(self, line: Line) -> bytes:
        """As Place's."""
        return b"" if folded(line[1]) == self._folded else line[2]

    def query_without(self, query: bytes) -> bytes:
        """As Place's."""
        return query


def apart(one: Place, other: Place, exchange: Exchange) -> bool:
    """Whether two places that have a credential each have two: in one header too, where each has a line of its own."""
    if one == other:
        return False
    lines = exchange.head.about.fields.kept
    return one.where != other.where or any(
        (one.without(line) == line[2]) is not (other.without(line) == line[2]) for line in lines
    )


def place_of(source: str, schemes: tuple[bytes, ...]) -> Place:
    """The place that a configuration names: "header:NAME", "cookie:NAME" or "query:NAME"."""
    kind, _, name = source.partition(":")
    if kind == "header":
        return Header(name, schemes)
    return Cookie(name) if kind == "cookie" else Query(name)
