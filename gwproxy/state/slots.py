"""Which node of a cluster has which keys (Redis Cluster specification: key distribution, redirections)."""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import Any, Final

from gwproxy.state.address import Address

SLOTS: Final = 16384
WAIT_S: Final = 0.5
"""For one node's answer. Others are asked where it gives none."""


def slot_of(key: str) -> int:
    """The slot of a key: of what stands between its first braces, where that is something."""
    begin = key.find("{")
    end = key.find("}", begin + 1) if begin >= 0 else -1
    tag = key[begin + 1 : end] if end > begin + 1 else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS


Ranges = list[tuple[int, int, Address]]
"""First slot, last slot, and their primary."""


async def ranges_of(nodes: Iterable[Address]) -> Ranges:
    """What the first of `nodes` that answers says. Raises OSError where none does."""
    why = "there is no node"
    for node in nodes:
        try:
            return await _ranges_by(node)
        except OSError as error:
            why = f"{node}: {error}"
    raise OSError(why)


async def _ranges_by(node: Address) -> Ranges:
    # Seldom needed, so redis-py does it, and is loaded only then.
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

    client: Any = Redis(
        host=node.host, port=node.port, username=node.user or None, password=node.password or None,
        socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S, retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
    )  # fmt: skip
    try:
        found = await client.execute_command("CLUSTER SLOTS")
    except RedisError as error:
        raise OSError(str(error)) from None
    finally:
        await client.aclose()
    # A node that does not know its own address leaves the host empty: it is the one that was asked.
    return [
        (int(first), int(last), node.at(_text(primary[0]) or node.host, int(primary[1])))
        for first, last, primary, *_ in found
    ]


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
