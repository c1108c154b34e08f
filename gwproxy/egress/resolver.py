"""Names to addresses: c-ares for the DNS (it reads /etc/hosts and knows TTLs), the last good answer when it fails."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Callable
from typing import Final

import aiodns

MIN_TTL_S: Final = 1.0
MAX_TTL_S: Final = 300.0
MAX_ADDRESSES: Final = 16


class Resolver:
    """Addresses of names, kept for their TTL (1 to 300 s). One look-up a name at a time, however many ask."""

    def __init__(self, clock: Callable[[], float], dns: aiodns.DNSResolver | None = None) -> None:
        self._clock = clock
        self._dns = dns
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    async def resolve(self, host: str) -> list[str]:
        """The addresses of `host`, at most 16. Raises OSError when there are none, and never were any."""
        if is_address(host):
            return [host]
        known = self._known.get(host)
        if known is not None and known[0] > self._clock():
            return known[1]
        task = self._asking.get(host)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(host))
            self._asking[host] = task
            task.add_done_callback(functools.partial(self._asked, host))
        return await asyncio.shield(task)

    def _asked(self, host: str, task: asyncio.Task[list[str]]) -> None:
        self._asking.pop(host, None)
        if not task.cancelled():
            # Looked at here, since whoever asked may have left: nobody else would.
            task.exception()

    async def _ask(self, host: str) -> list[str]:
        try:
            addresses, ttl_s = await self._look_up(host)
        except OSError:
            known = self._known.get(host)
            if known is None:
                raise
            # The name server's trouble is not the service's: go on with what was true last.
            addresses, ttl_s = known[1], MIN_TTL_S
        self._known[host] = (self._clock() + min(max(ttl_s, MIN_TTL_S), MAX_TTL_S), addresses)
        return addresses

    async def _look_up(self, host: str) -> tuple[list[str], float]:
        if host == "localhost" or host.endswith(".localhost"):
            # RFC 6761 section 6.3: never asked of the DNS, and names below it are the same; the system knows which
            # families it has, but not always those names.
            found = await asyncio.get_running_loop().getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(entry[4][0]) for entry in found)), MAX_TTL_S
        if self._dns is None:
            self._dns = aiodns.DNSResolver(timeout=2.0, tries=2)
        try:
            answer = await self._dns.getaddrinfo(host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            raise OSError(f"{host} cannot be resolved: {error.args[-1]}") from None
        addresses = [_text(node.addr[0]) for node in answer.nodes]
        if not addresses:
            raise OSError(f"{host} has no address")
        return list(dict.fromkeys(addresses))[:MAX_ADDRESSES], float(min(node.ttl for node in answer.nodes))

    async def close(self) -> None:
        """Stop asking."""
        for task in list(self._asking.values()):
            task.cancel()
        if self._dns is not None:
            await self._dns.close()


def is_address(host: str) -> bool:
    """Whether `host` is an IPv4 or IPv6 address already."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _text(address: bytes | str) -> str:
    return address.decode() if isinstance(address, bytes) else address
