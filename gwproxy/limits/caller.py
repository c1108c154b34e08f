"""Under which name a limit counts a caller. Names of different sorts never meet, and none is longer than 64 bytes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final

from gwproxy.exchange import Exchange

LONGEST: Final = 40
WRITTEN: Final = (
    "write an address (203.0.113.7, 2001:db8::1), the id of a principal, id:ID, tenant:NAME or header:NAME=VALUE"
)
# What the rules of a field let through (RFC 9110 section 5.1 and 5.5).
_HEADER: Final = re.compile(rb"header:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=[\t ]*([\t\x20-\x7e\x80-\xff]+)")
# What can be nothing else, and no mistyped address.
_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,255}")
_TENANT: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
Who = Callable[[Exchange], str]
"""The caller's name for one limit, or "" where it is to be known by its address."""


def who_by(by: str, ipv6_prefix: int) -> Who | None:
    """What names a caller for a limit that says `by`; None where that is the principal."""
    if by == "address":
        return partial(by_address, ipv6_prefix)
    if by == "tenant":
        return _by_tenant
    if not by.startswith("header:"):
        return None
    name = by.removeprefix("header:").lower()
    return partial(_by_header, name.encode(), name)


def by_principal(ipv6_prefix: int, exchange: Exchange) -> str:
    """The name of who has proved who it is; of an anonymous caller that of its address."""
    sender = exchange.sender
    principal = sender.principal
    sender.who = who = by_address(ipv6_prefix, exchange) if principal is None else of_id(principal.id)
    return who


def by_address(ipv6_prefix: int, exchange: Exchange) -> str:
    """The name of an address, or of its network."""
    sender = exchange.sender
    if not sender.at:
        sender.at = f"a:{network_of(sender.address, ipv6_prefix)}"
    return sender.at


def _by_tenant(exchange: Exchange) -> str:
    tenant = exchange.sender.tenant
    return f"t:{tenant.name}" if tenant is not None else ""


def of_id(principal: str) -> str:
    """The name of a principal."""
    if len(principal) <= LONGEST and principal.isascii() and principal.isalnum():
        return f"p:{principal}"
    return f"y:{blake2b(principal.encode(), digest_size=16).hexdigest()}"


def who_is(written: str, ipv6_prefix: int) -> str:
    """The name under which a caller is counted whom an operator writes as an address, as "header:NAME=VALUE", as
    "tenant:NAME" or as a principal's id; "id:ID" is one whatever it looks like.

    Raises ValueError, which says what can be written.
    """
    try:
        data = written.encode("utf-8", "surrogateescape")
        header = _HEADER.fullmatch(data)
        if header is not None and (value := header[2].strip(b"\t ")):
            return _of_value(header[1].decode().lower(), value)
        kind, colon, name = written.partition(":")
        if kind == "tenant" and _TENANT.fullmatch(name):
            return f"t:{name}"
        if kind == "id" and colon and name.isprintable() and name.strip() == name != "" and len(name.encode()) <= 256:
            return of_id(name)
        if _ID.fullmatch(written):
            return of_id(written)
        return f"a:{network_of(str(ipaddress.ip_address(written)), ipv6_prefix)}"
    except ValueError:
        raise ValueError(f"{written[:64]!r} names no caller: {WRITTEN}") from None


def network_of(address: str, ipv6_prefix: int) -> str:
    """An IPv4 address as it is, of an IPv6 address its network (RFC 4291 section 2.5.5.2: mapped ones are IPv4)."""
    if ":" not in address:
        return address
    try:
        number = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(number), ipv6_prefix), strict=False))


def _by_header(field: bytes, name: str, exchange: Exchange) -> str:
    value = exchange.head.fields.get(field)
    return _of_value(name, value) if value else ""


def _of_value(name: str, value: bytes) -> str:
    if len(value) <= LONGEST and value.isalnum():
        return f"h:{name}:{value.decode()}"
    # Whatever it is made of, and however long: no other's name can be made with it.
    return f"x:{name}:{blake2b(value, digest_size=16).hexdigest()}"
