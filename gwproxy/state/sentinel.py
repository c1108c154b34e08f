"""Where the primary is now, by what the sentinels say. Seldom needed, so redis-py does it, and is loaded only then."""

from __future__ import annotations

from typing import Any, Final

from gwproxy.state.address import Place

WAIT_S: Final = 0.3
"""For one sentinel. Others are asked where it does not answer."""


class Sentinels:
    """Asks them in turn; the first that knows goes first the next time (Redis: guidelines for Sentinel clients)."""

    def __init__(self, place: Place) -> None:
        from redis.asyncio.retry import Retry
        from redis.asyncio.sentinel import Sentinel
        from redis.backoff import NoBackoff

        self._place = place
        once = Retry(NoBackoff(), 0)
        self._sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            [(address.host, address.port) for address in place.addresses],
            sentinel_kwargs={"socket_timeout": WAIT_S, "socket_connect_timeout": WAIT_S, "retry": once},
        )

    async def primary(self) -> tuple[str, int]:
        """Its host and port. Raises OSError where no sentinel knows."""
        from redis.exceptions import RedisError

        try:
            host, port = await self._sentinel.discover_master(self._place.primary)
        except RedisError as error:
            raise OSError(str(error)) from None
        return str(host), int(port)

    async def close(self) -> None:
        """End the connections."""
        for client in self._sentinel.sentinels:
            await client.aclose()
