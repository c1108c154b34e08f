"""Who is calling, by address, and what a service is told of it: X-Forwarded-*, Forwarded (RFC 7239), Via, and loops.

Only a trusted proxy's word counts. What an untrusted caller says in these fields is dropped, in every spelling.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from gwproxy.exchange import Sender
from gwproxy.telemetry.ids import WELL_FORMED
from gwproxy.wire.fields import (
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

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_SCHEMES: Final = frozenset((b"http", b"https", b"ws", b"wss"))


class Trust:
    """Which peers are proxies of ours, and which of their fields tells the client's address."""

    __slots__ = ("_field", "_networks", "_via")

    def __init__(self, networks: Sequence[str], field: str, instance: str) -> None:
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(text, strict=False) for text in networks
        )
        self._field = field
        self._via = b"gwproxy-" + instance.encode()

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

    def sender(self, fields: Fields, authority: bytes, peer: str, scheme: bytes) -> Sender:
        """What is known of who sent a request with these fields from the address `peer`."""
        sender = Sender()
        sender.address = peer
        sender.host = authority
        sender.proto = scheme
        lines = [fields.joined()]
        said = dict(fields.special) if self._networks and self.trusts(peer) else {}
        chains = _Chains(fields, trusted=bool(said))
        if said:
            sender.trusted = True
            self._believe(sender, said, chains, peer)
        shown = peer.encode()
        chain = b", ".join([*chains.forwarded_for, shown])
        lines.append(b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (chain, sender.proto))
        if sender.host:
            lines.append(b"X-Forwarded-Host: %b\r\n" % sender.host)
        element = _element(shown, authority, scheme)
        lines.append(b"Forwarded: %b\r\n" % b", ".join([*chains.forwarded, element]))
        via = [value for kind, value in fields.special if kind == VIA]
        sender.looped = any(self._via in value.split() for value in via)
        lines.append(b"Via: %b\r\n" % b", ".join([*via, b"1.1 " + self._via]))
        sender.lines = b"".join(lines)
        return sender

    def _believe(self, sender: Sender, said: dict[int, bytes], chains: _Chains, peer: str) -> None:
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


class _Chains:
    """The lists that each proxy appends to, as they came; empty from those we don't trust."""

    __slots__ = ("forwarded", "forwarded_for")

    def __init__(self, fields: Fields, *, trusted: bool) -> None:
        self.forwarded_for: list[bytes] = []
        self.forwarded: list[bytes] = []
        if not trusted:
            return
        for kind, value in fields.special:
            if kind == FORWARDED_FOR:
                self.forwarded_for += [hop.strip() for hop in value.split(b",") if hop.strip()]
            elif kind == FORWARDED:
                self.forwarded += [element.strip() for element in value.split(b",") if element.strip()]


def _well_formed(value: bytes) -> bytes:
    return value if WELL_FORMED.fullmatch(value) else b""


def _for(element: bytes) -> bytes:
    for pair in element.split(b";"):
        name, _, value = pair.strip().partition(b"=")
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
