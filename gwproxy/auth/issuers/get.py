"""One GET of the control plane, from whom the answer is not believed to be short, quick or even one.

No redirect is followed: the address that was configured is what is trusted, and where an issuer has moved the
configuration says so. Cookies live no longer than one GET, proxies of the environment are not used, and compressed
answers are refused: their size is not to be seen before they are unpacked.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    TCPConnector,
)

from gwproxy.auth.keys.key_set import MOST_BYTES

PIECE: Final = 16 << 10
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gwproxy"}

Get = Callable[[str], Awaitable[bytes]]
"""The body at a URL. Raises FetchFailed. Whoever calls it sets the time."""


class FetchFailed(Exception):
    """What was asked for was not had. Its text is one line, for logs, and of the issuer's own words it has an address
    at the most.
    """


def tls_context(ca: str | None) -> ssl.SSLContext:
    """Certificates are believed as the system does; or, with `ca`, those that this file's sign, and no others.

    Raises OSError, ssl.SSLError.
    """
    return ssl.create_default_context(cafile=ca)


async def get(url: str, tls: ssl.SSLContext) -> bytes:
    """The body of a 200, at most MOST_BYTES. A connection of its own: this is asked once in minutes.

    Raises FetchFailed, TimeoutError.
    """
    connector = TCPConnector(ssl=tls, force_close=True)
    try:
        async with (
            ClientSession(
                connector=connector, headers=HEADERS, auto_decompress=False, timeout=ClientTimeout(total=None)
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):  # fmt: skip
            return await _body(response)
    except (ClientError, OSError, ValueError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise FetchFailed(_told(error)) from None


async def _body(response: ClientResponse) -> bytes:
    if 300 <= response.status < 400:
        raise FetchFailed(f"it answered {response.status}, and redirects are not followed")
    if response.status != 200:
        raise FetchFailed(f"it answered {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchFailed("it answered with a compressed body, which was not asked for")
    body = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        body += piece
        if len(body) > MOST_BYTES:
            raise FetchFailed(f"it answered with more than {MOST_BYTES} bytes")
    return bytes(body)


def _told(error: BaseException) -> str:
    if isinstance(error, ClientConnectorCertificateError):
        return "it has a certificate that is not believed"
    if isinstance(error, ClientConnectorError):
        why = error.os_error
        # A name that is not found has no number, but words.
        said = os.strerror(why.errno) if why.errno and why.errno > 0 else why.strerror
        return f"it cannot be reached: {said or type(why).__name__}"
    return f"it gave no answer that can be read ({type(error).__name__})"


async def within(seconds: float, awaited: Awaitable[bytes]) -> bytes:
    """What is awaited, or FetchFailed after so many seconds. For tasks only."""
    try:
        async with asyncio.timeout(seconds):
            return await awaited
    except TimeoutError:
        raise FetchFailed(f"it gave no whole answer within {seconds:g} s") from None
