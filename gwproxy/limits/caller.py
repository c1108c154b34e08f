"""Under which name a limit counts a caller. Names of different sorts never meet, and none is longer than 64 bytes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final

from gwproxy.exchange import Exchange

LONGEST: Final = 40
Who = Callable[[Exchange], str]
"""The caller's name for one limit, or "" where it is to be known by its address."""


def who_by(by: str) -> Who | None:
    """What names a caller for a limit that says `by`; None where it is the address."""
    return partial(_by_header, by.removeprefix("header:").lower().encode()) if by.startswith("header:") else None


def by_address(ipv6_prefix: int, exchange: Exchange) -> str:
    """The name of an address, or of its network. Nobody can prove another identity yet."""
    sender = exchange.sender
    sender.who = who = f"a:{network_of(sender.address, ipv6_prefix)}"
    return who


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


def _by_header(name: bytes, exchange: Exchange) -> str:
    value = exchange.head.fields.get(name)
    if not value:
        return ""
    if len(value) <= LONGEST and value.isalnum():
        return f"h:{name.decode()}:{value.decode()}"
    # Whatever it is made of, and however long: no other's name can be made with it.
    return f"x:{name.decode()}:{blake2b(value, digest_size=16).hexdigest()}"
