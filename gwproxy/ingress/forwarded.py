"""Who is calling, by address, and what a service is told of it: X-Forwarded-*, Forwarded (RFC 7239), Via, and loops.

Only a trusted proxy's word counts. What an untrusted caller says in these fields is dropped, in every spelling.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from gwproxy.exchange import Sender
from gwproxy.telemetry.ids import WELL_FORMED
from gwproxy.wire.fields import (
    CAUSATION_ID,
    CORRELATION_ID,
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_HOST,
    FORWARDED_PROTO,
    REAL_IP,
    REQUEST_ID,
    VIA,
    Fields,
)
from gwproxy.wire.request import FieldsOfRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# RFC 7239 section 4: what stands in quotes divides nothing. A quote that never ends takes the rest with it.
_ELEMENT: Final = re.compile(rb'(?:[^",]|"(?:\\.|[^"\\])*(?:"|\\?\Z))+')
_PAIR: Final = re.compile(rb'(?:[^";]|"(?:\\.|[^"\\])*(?:"|\\?\Z))+')
_SCHEMES: Final = frozenset((b"http", b"https", b"ws", b"wss"))


class Trust:
    """Which peers are proxies of ours, and which of their fields tells the client's address."""

    __slots__ = ("_field", "_networks", "via")

    def __init__(self, networks: Sequence[str], field: str, instance: str) -> None:
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(text, strict=False) for text in networks
        )
        self._field = field
        self.via = b"gwproxy-" + instance.encode()

    def trusts(self, address: str) -> bool:
        """Whether `address` is a trusted proxy's. What is no address (a unix socket's peer) is not."""
        if not self._networks:
            return False
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._networks)

    def peer(self, address: str, scheme: bytes) -> Peer:
        """What is known of whoever connects from `address` ("" on a unix socket)."""
        return Peer(self, address, scheme)

    def believe(self, sender: Sender, said: dict[int, bytes], chains: _Chains, peer: str) -> None:
        """Take a trusted proxy's word."""
        if said.get(FORWARDED_PROTO, b"").lower() in _SCHEMES:
            sender.proto = said[FORWARDED_PROTO].lower()
        sender.host = said.get(FORWARDED_HOST, sender.host)
        sender.request_id = _well_formed(said.get(REQUEST_ID, b""))
        sender.correlation_id = _well_formed(said.get(CORRELATION_ID, b""))
        if self._field == "x-real-ip":
            hops = [said.get(REAL_IP, b"")]
        elif self._field == "forwarded":
            hops = [_for(element) for element in chains.forwarded]
        else:
            hops = chains.forwarded_for
        sender.address = self._client(hops, peer)

    def _client(self, hops: list[bytes], peer: str) -> str:
        """The last hop that is no proxy of ours; whatever stands before it, anybody may have written."""
        address = peer
        for hop in reversed(hops):
            said = _address(hop)
            if said is None:
                return address
            address = said
            if not self.trusts(address):
                return address
        return address


class Peer:
    """The other end of one connection, and what every request on it is told with."""

    __slots__ = ("_authority", "_suffix", "address", "scheme", "trust", "trusted")

    def __init__(self, trust: Trust, address: str, scheme: bytes) -> None:
        self.trust = trust
        self.address = address
        self.scheme = scheme
        self.trusted = trust.trusts(address)
        # Of the authority asked for last: callers rarely change it on a connection.
        self._authority: bytes | None = None
        self._suffix = b""

    def sender(self, about: FieldsOfRequest) -> Sender:
        """What is known of who sent a request with these fields."""
        fields = about.fields
        sender = Sender(self.address, self.scheme, about.authority)
        if self.trusted or fields.special_value(VIA) is not None:
            self._chained(sender, fields, about.authority)
            return sender
        if about.authority != self._authority:
            self._authority = about.authority
            self._suffix = self._told(sender, _Chains(fields, trusted=False), about.authority)
        sender.lines = fields.joined() + self._suffix
        return sender

    def _chained(self, sender: Sender, fields: Fields, authority: bytes) -> None:
        """Somebody stands before us: their chains go on, and may show that we are in them."""
        chains = _Chains(fields, trusted=self.trusted)
        if self.trusted:
            sender.trusted = True
            self.trust.believe(sender, dict(fields.special), chains, self.address)
        sender.looped = any(self.trust.via in value.replace(b",", b" ").split() for value in chains.via)
        sender.lines = fields.joined() + self._told(sender, chains, authority)
        if self.trusted:
            # Between the parts of a chain it is the gateway's to say; a proxy that has one of its own is let through.
            caused = [b"X-Causation-Id: %b\r\n" % value for kind, value in fields.special if kind == CAUSATION_ID]
            sender.lines += b"".join(caused)

    def _told(self, sender: Sender, chains: _Chains, authority: bytes) -> bytes:
        shown = self.address.encode()
        chain = b", ".join([*chains.forwarded_for, shown])
        lines = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (chain, sender.proto)
        if sender.host:
            lines += b"X-Forwarded-Host: %b\r\n" % sender.host
        element = _element(shown, authority, self.scheme)
        lines += b"Forwarded: %b\r\n" % b", ".join([*chains.forwarded, element])
        return lines + b"Via: %b\r\n" % b", ".join([*chains.via, b"1.1 " + self.trust.via])


class _Chains:
    """The lists that each proxy appends to, as they came; of those we don't trust, only Via."""

    __slots__ = ("forwarded", "forwarded_for", "via")

    def __init__(self, fields: Fields, *, trusted: bool) -> None:
        self.forwarded_for: list[bytes] = []
        self.forwarded: list[bytes] = []
        self.via = [value for kind, value in fields.special if kind == VIA]
        if not trusted:
            return
        for kind, value in fields.special:
            if kind == FORWARDED_FOR:
                self.forwarded_for += [hop.strip() for hop in value.split(b",") if hop.strip()]
            elif kind == FORWARDED:
                self.forwarded += [element.strip() for element in _ELEMENT.findall(value) if element.strip()]


def _well_formed(value: bytes) -> bytes:
    return value if WELL_FORMED.fullmatch(value) else b""


def _for(element: bytes) -> bytes:
    for found in _PAIR.finditer(element):
        name, _, value = found.group().strip().partition(b"=")
        if name.lower() == b"for":
            return value.strip(b'"')
    return b""


def _address(hop: bytes) -> str | None:
    """The address of `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; None for what is none (`unknown`, `_hidden`)."""
    text = hop.decode("latin-1").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _element(peer: bytes, authority: bytes, scheme: bytes) -> bytes:
    """Our own element of Forwarded. An address with colons, and a host with a port, must be quoted."""
    node = b'"[%b]"' % peer if b":" in peer else peer or b"unknown"
    if authority:
        quoted = authority.replace(b'"', b"")
        return b'for=%b;host="%b";proto=%b' % (node, quoted, scheme)
    return b"for=%b;proto=%b" % (node, scheme)
