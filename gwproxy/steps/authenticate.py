"""Routes that ask for an identity. Nobody can prove one yet, so they are closed to everybody."""

from __future__ import annotations

from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange


def closed(exchange: Exchange) -> None:
    """Refuse. Raises GatewayError (`unauthenticated`)."""
    raise GatewayError("unauthenticated", "Authentication required", phase=Phase.POLICY)
