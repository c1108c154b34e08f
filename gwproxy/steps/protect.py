"""What is refused before any service is asked, whatever the route: loops, and bodies that say they are too large."""

from __future__ import annotations

from typing import Protocol

from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.wire.flow import Body


def under_maintenance(exchange: Exchange) -> None:
    """Refuse everybody. Raises GatewayError (`maintenance`)."""
    raise GatewayError(
        "maintenance", "Under maintenance", blame=Blame.GATEWAY, phase=Phase.POLICY, retry_after_s=60
    )  # fmt: skip


class Ending(Protocol):
    """A gateway, as far as checks need it. `draining`: it ends."""

    draining: bool


def not_ending(gateway: Ending, exchange: Exchange) -> None:
    """Tell a load balancer to ask others from now on. Raises GatewayError (`draining`)."""
    if gateway.draining:
        raise out_of_drain()


def bound_body(body: Body, limit: int) -> None:
    """Hold a request's body to `limit` bytes. Raises GatewayError (`body_too_large`) where it is longer already."""
    body.limit = limit
    if max(body.length, body.size) > limit:
        raise too_large(limit)


def too_large(limit: int) -> GatewayError:
    """A body of more than `limit` bytes; the connection ends, since the rest of it is not read."""
    return GatewayError(
        "body_too_large", f"Request body of more than {limit} bytes", phase=Phase.BODY, close=True
    )


def looped() -> GatewayError:
    """A request that this gateway has forwarded before."""
    return GatewayError("loop_detected", "The request has been here before", phase=Phase.ROUTE)


def out_of_drain() -> GatewayError:
    """A request that was still under way when `drain_timeout` had passed."""
    return GatewayError(
        "draining", "The gateway is ending", blame=Blame.GATEWAY, phase=Phase.REPLY, close=True, retry_after_s=1
    )


def crowded() -> GatewayError:
    """A connection more than `max_connections` allows."""
    return GatewayError(
        "too_many_connections", "Too many connections", blame=Blame.GATEWAY, close=True, retry_after_s=1
    )
