"""Whose requests are let in at all, by address: [addresses], and `addresses` of a route or an aggregation."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from msgspec import Struct

from gwproxy.config.forms import SOME, Text, says

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED_BITS = 96
"""How long the prefix is of IPv4 addresses that are written as IPv6 (RFC 4291 section 2.5.5.2)."""


class Addresses(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose requests are let in, by the client's address; what is in both lists is not."""

    allow: Annotated[
        Annotated[tuple[Text, ...], SOME],
        says("Networks that are let in, and nobody else; everybody where it is left out."),
    ] = ()
    deny: Annotated[Annotated[tuple[Text, ...], SOME], says("Networks that are not let in.")] = ()


def network_of(text: str) -> Network:
    """The network that a file writes; of IPv4 in IPv6's clothes, the IPv4 one. Raises ValueError for what is none."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def address_of(text: str) -> Address | None:
    """The address of a client, IPv4 as IPv4; None for what is none (a unix socket's peer has "")."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class Networks:
    """Networks, however many: a look-up for each length of prefix among them, and not for each of them."""

    __slots__ = ("_by_length",)

    def __init__(self) -> None:
        # (IP's version, how many bits are the host's) → numbers of the networks without these.
        self._by_length: dict[tuple[int, int], set[int]] = {}

    def add(self, network: Network) -> None:
        """One more."""
        shift = network.max_prefixlen - network.prefixlen
        numbers = self._by_length.setdefault((network.version, shift), set())
        numbers.add(int(network.network_address) >> shift)

    def has(self, address: Address) -> bool:
        """Whether the address is in one of them."""
        return self._covers(address.version, int(address), 0)

    def cover(self, network: Network) -> bool:
        """Whether the whole network is in one of them."""
        shift = network.max_prefixlen - network.prefixlen
        return self._covers(network.version, int(network.network_address), shift)

    def _covers(self, version: int, number: int, bits: int) -> bool:
        return any(
            number >> shift in numbers
            for (of_version, shift), numbers in self._by_length.items()
            if of_version == version and shift >= bits
        )
