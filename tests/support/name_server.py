"""A DNS server on loopback that answers A queries as it is told, and counts them."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter

HEAD = struct.Struct(">HHHHHH")
A, AAAA = 1, 28
REFUSED, NO_SUCH_NAME, FAILED = 5, 3, 2


class NameServer(asyncio.DatagramProtocol):
    """`addresses` by name; `ttl_s` for all; `code` other than 0 is answered instead; `silent`: not at all."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.ttl_s = 60
        self.code = 0
        self.silent = False
        self.delay_s = 0.0
        self.queries: Counter[str] = Counter()
        self._transport: asyncio.DatagramTransport

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    @property
    def where(self) -> str:
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def stop(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, address: object) -> None:
        name, kind = question(data)
        if kind == A:
            self.queries[name] += 1
        if not self.silent:
            asyncio.get_running_loop().call_later(self.delay_s, self._answer, data, name, kind, address)

    def _answer(self, data: bytes, name: str, kind: int, address: object) -> None:
        known = [] if self.code else self.addresses.get(name)
        code = self.code or (NO_SUCH_NAME if known is None else 0)
        found = (known or []) if kind == A else []
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", A, 1, self.ttl_s, 4) + bytes(map(int, text.split(".")))
            for text in found
        )
        end = data.index(b"\0", 12) + 5
        head = HEAD.pack(HEAD.unpack_from(data)[0], 0x8180 | code, 1, len(found), 0, 0)
        if not self._transport.is_closing():
            self._transport.sendto(head + data[12:end] + records, address)


def question(data: bytes) -> tuple[str, int]:
    """Name and kind of the first question."""
    labels, at = [], 12
    while size := data[at]:
        labels.append(data[at + 1 : at + 1 + size].decode())
        at += size + 1
    return ".".join(labels).lower(), int.from_bytes(data[at + 1 : at + 3], "big")
