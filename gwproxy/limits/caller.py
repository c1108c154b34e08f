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
"""The caller's name, for one limit."""


def who_by(by: str, ipv6_prefix: int) -> Who:
    """What names a caller for a limit that says `by`."""
    if not by:
        return _everybody
    if by.startswith("header:"):
        return partial(_by_header, by.removeprefix("header:").lower().encode(), ipv6_prefix)
    return partial(by_address, ipv6_prefix)


def _everybody(exchange: Exchange) -> str:
    return ""


def by_address(ipv6_prefix: int, exchange: Exchange) -> str:
    """An address, or the network of one. Nobody can prove another identity yet."""
    sender = exchange.sender
    who: str = sender.who
    if not who:
        who = sender.who = f"a:{network_of(sender.address, ipv6_prefix)}"
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


def _by_header(name: bytes, ipv6_prefix: int, exchange: Exchange) -> str:
    """The value of a header; without it, the address."""
    value = exchange.head.fields.get(name)
    if not value:
        return by_address(ipv6_prefix, exchange)
    if len(value) <= LONGEST and value.isalnum():
        return f"h:{name.decode()}:{value.decode()}"
    # Whatever it is made of, and however long: no other's name can be made with it.
    return f"x:{name.decode()}:{blake2b(value, digest_size=16).hexdigest()}"
