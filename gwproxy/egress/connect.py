"""Opening a connection to a target: addresses one after another, TLS, and every error translated, once."""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import Any

from gwproxy.egress.connection import Connection
from gwproxy.egress.failures import out_of_time
from gwproxy.egress.pool import Pool
from gwproxy.egress.resolver import Resolver
from gwproxy.errors import Blame, GatewayError, Phase


class Connector:
    """Opens connections to one target, by name and port or by the path of a unix socket."""

    def __init__(
        self,
        host: str,
        port: int,
        resolver: Resolver,
        *,
        unix: str = "",
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
    ) -> None:
        self._host = host
        self._port = port
        self._resolver = resolver
        self._unix = unix
        self._tls = tls
        self._server_name = (server_name or host) if tls is not None else None
        self._last_good = ""

    async def __call__(self, pool: Pool, timeout_s: float) -> Connection:
        """Open one connection within `timeout_s`. Raises GatewayError (bad_gateway, upstream_timeout)."""
        # A task, since the caller may be a driven coroutine, which asyncio.timeout would not know.
        task = asyncio.get_running_loop().create_task(self._within(pool, timeout_s))
        try:
            return await task
        except BaseException:
            # The caller has left, perhaps in the very turn in which the connection stood.
            task.add_done_callback(_close_unwanted)
            raise

    async def _within(self, pool: Pool, timeout_s: float) -> Connection:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._open(pool)
        except TimeoutError as error:
            raise out_of_time(
                pool.service, timeout_s, Phase.CONNECT, f"connecting to {pool.name}: {error!r}"
            ) from None
        except (OSError, ssl.SSLError, ssl.CertificateError) as error:
            raise GatewayError(
                "bad_gateway", f"Request to {pool.service} failed", blame=Blame.TARGET, phase=Phase.CONNECT,
                cause=f"connecting to {pool.name}: {error}", unsent=True,
            ) from None  # fmt: skip

    async def _open(self, pool: Pool) -> Connection:
        loop = asyncio.get_running_loop()
        if self._unix:
            _, connection = await loop.create_unix_connection(
                lambda: Connection(pool), self._unix, ssl=self._tls, server_hostname=self._server_name
            )
            return connection
        failure: OSError = OSError(errno.EHOSTUNREACH, f"{self._host} has no address")
        for address in await self._addresses():
            try:
                connection = await self._open_address(loop, pool, address)
            except OSError as error:
                failure = error
                continue
            self._last_good = address
            return connection
        raise failure

    async def _open_address(self, loop: asyncio.AbstractEventLoop, pool: Pool, address: str) -> Connection:
        options: dict[str, Any] = {}
        if self._tls is not None:
            options = {"ssl": self._tls, "server_hostname": self._server_name}
        _, connection = await loop.create_connection(lambda: Connection(pool), address, self._port, **options)
        return connection

    async def _addresses(self) -> list[str]:
        addresses = await self._resolver.resolve(self._host)
        if self._last_good in addresses:
            return [self._last_good, *(a for a in addresses if a != self._last_good)]
        return addresses


def _close_unwanted(task: asyncio.Task[Connection]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
