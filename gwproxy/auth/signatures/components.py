"""The parts of a request that a signature covers, and the signature base made of them (RFC 9421 sections 2 and 2.5)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gwproxy.auth.signatures.request import SignedRequest
from gwproxy.auth.signatures.structured import (
    InnerList,
    Item,
    Malformed,
    Member,
    parse_dictionary,
    write_item,
    write_member,
)
from gwproxy.auth.signatures.unverified import Unverified, shown
from gwproxy.wire.path import decode

MAX_COMPONENTS: Final = 50
"""Components of one signature. A base has a line for each, of at most a field's length."""

QUERY_PARAM: Final = "@query-param"
FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""RFC 9421 section 2.1: in lower case."""

_PARAMS: Final = frozenset(("sf", "key", "bs", "req", "tr", "name"))
# What the URL standard's form encoding leaves as it is.
_TO_ENCODE: Final = re.compile(rb"[^*\-._0-9A-Za-z]")


def _whole(request: SignedRequest, value: bytes) -> bytes:
    if request.target == b"*":
        raise Unverified('the target "*" has neither path nor query')
    return value


DERIVED: Final[dict[str, Callable[[SignedRequest], bytes]]] = {
    "@method": lambda request: request.method,
    "@target-uri": lambda request: _whole(
        request, request.scheme + b"://" + request.authority + request.target
    ),
    "@authority": lambda request: request.authority,
    "@scheme": lambda request: request.scheme,
    "@request-target": lambda request: request.target,
    "@path": lambda request: _whole(request, request.path or b"/"),
    "@query": lambda request: _whole(request, request.query or b"?"),
}
"""Components that are no fields (RFC 9421 section 2.2), but for @query-param, which has a name."""


class Component(NamedTuple):
    """One covered part. `how` is "" for the whole of it, else the parameter that says which part or form it is."""

    name: str
    how: str
    argument: str
    written: str

    @property
    def is_whole(self) -> bool:
        """Whether all of the part is covered: `bs` is another form of the whole."""
        return self.how in ("", "bs")


def components_of(inner: InnerList) -> list[Component]:
    """The covered components of a signature. Raises Unverified for what is unknown, not supported, or there twice."""
    if len(inner.items) > MAX_COMPONENTS:
        raise Unverified(f"more than {MAX_COMPONENTS} components")
    found = [_component(item) for item in inner.items]
    if len({component.written for component in found}) < len(found):
        raise Unverified("a component is covered twice")
    return found


def _component(item: Item) -> Component:
    """Each has one parameter at the most, so their order needs no thought when two are compared."""
    name = item.value
    if not isinstance(name, str):
        raise Unverified("a component is not a string")
    if name != QUERY_PARAM and name not in DERIVED and FIELD_NAME.fullmatch(name) is None:
        raise Unverified(f"unknown component {shown(name)}")
    how, argument = _parameter(name, item)
    return Component(name, how, argument, write_item(item))


def _parameter(name: str, item: Item) -> tuple[str, str]:
    wanted = ("name",) if name == QUERY_PARAM else () if name in DERIVED else ("bs", "key")
    for key in item.params:
        if key not in wanted:
            known = "is not supported" if key in _PARAMS else "is unknown"
            raise Unverified(f"the parameter {shown(key)} of {shown(name)} {known}")
    if len(item.params) > 1:
        raise Unverified(f"bs and key of {shown(name)} exclude each other")
    for how, value in item.params.items():
        if how == "bs" and value is True:
            return how, ""
        if how != "bs" and isinstance(value, str):
            return how, value
        raise Unverified(f"the parameter {how} of {shown(name)} has a value of another type")
    if name == QUERY_PARAM:
        raise Unverified(f"{QUERY_PARAM} without a name")
    return "", ""


class Parts:
    """What the components of one request are. Its query and its dictionaries are read once, for all signatures."""

    __slots__ = ("_dictionaries", "_queried", "_request")

    def __init__(self, request: SignedRequest) -> None:
        self._request = request
        self._dictionaries: dict[str, dict[str, Member]] = {}
        self._queried: dict[bytes, bytes | None] | None = None

    def base(self, components: Sequence[Component], inner: InnerList) -> bytes:
        """What is signed (RFC 9421 section 2.5). Raises Unverified where a component is not in the request."""
        lines = [b"%b: %b" % (one.written.encode(), self._value(one)) for one in components]
        lines.append(b'"@signature-params": ' + write_member(inner).encode())
        return b"\n".join(lines)

    def _value(self, component: Component) -> bytes:
        derived = DERIVED.get(component.name)
        if derived is not None:
            return derived(self._request)
        if component.how == "name":
            return self._query_param(component.argument.encode())
        values = self._request.values(component.name.encode())
        if not values:
            raise Unverified(f"{shown(component.name)} is covered, and not there")
        if component.how == "key":
            return self._dictionary_member(component, values)
        if component.how == "bs":
            values = [b":%b:" % base64.b64encode(value) for value in values]
        value = b", ".join(values)
        if b"\n" in value:
            # The wire lets no such value in; in a base it could pass for a line of its own.
            raise Unverified(f"{shown(component.name)} has a line break")
        return value

    def _dictionary_member(self, component: Component, values: Sequence[bytes]) -> bytes:
        """RFC 9421 section 2.1.2."""
        name, key = component.name, component.argument
        members = self._dictionaries.get(name)
        if members is None:
            try:
                members = self._dictionaries[name] = parse_dictionary(values)
            except Malformed as fault:
                raise Unverified(f"{shown(name)} is no dictionary: {fault}") from None
        if key not in members:
            raise Unverified(f"{shown(name)} has no {shown(key)}")
        return write_member(members[key]).encode()

    def _query_param(self, name: bytes) -> bytes:
        """RFC 9421 section 2.2.8; a name that is there more than once cannot be covered."""
        if self._queried is None:
            self._queried = _query_params(self._request.query[1:])
        if name not in self._queried:
            raise Unverified(f"no query parameter {shown(name.decode())}")
        value = self._queried[name]
        if value is None:
            raise Unverified(f"more than one query parameter {shown(name.decode())}")
        return value


def _query_params(query: bytes) -> dict[bytes, bytes | None]:
    """Names and values of a form, decoded and encoded again in one way; None for those of a name that repeats.

    Bytes that are no UTF-8 stay themselves, where the URL standard would make U+FFFD of all of them: two queries that
    a service tells apart must not be one here.
    """
    params: dict[bytes, bytes | None] = {}
    for pair in query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            name = _normal(name)
            params[name] = None if name in params else _normal(value)
    return params


def _normal(text: bytes) -> bytes:
    return _TO_ENCODE.sub(lambda found: b"%%%02X" % found[0][0], decode(text.replace(b"+", b" ")))
