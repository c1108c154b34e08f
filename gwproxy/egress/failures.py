"""How an attempt on a target can fail, once it has a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gwproxy.errors import Blame, GatewayError, Phase

if TYPE_CHECKING:
    from gwproxy.egress.pool import Pool


def timed_out(pool: Pool, seconds: float, *, answering: bool) -> GatewayError:
    """The service was silent for `seconds`, before its answer's head (`answering`) or inside its body."""
    if answering:
        return out_of_time(pool.service, seconds, Phase.ANSWER, f"{pool.name}: no answer within {seconds:g} s")
    cause = f"{pool.name}: nothing more of the answer for {seconds:g} s"
    return out_of_time(pool.service, seconds, Phase.BODY, cause)


def out_of_time(service: str, seconds: float, phase: Phase, cause: str) -> GatewayError:
    """A deadline of `seconds` has passed."""
    return GatewayError(
        "upstream_timeout",
        f"Request to {service} timed out after {seconds * 1000:.0f}ms",
        blame=Blame.TARGET,
        phase=phase,
        cause=cause,
        unsent=phase is Phase.CONNECT,
    )


def broken(pool: Pool, cause: str, *, answering: bool, reused: bool) -> GatewayError:
    """The connection is lost. `reused`: it had served before, and nothing of this answer had come."""
    return GatewayError(
        "bad_gateway",
        f"Request to {pool.service} failed",
        blame=Blame.TARGET,
        phase=Phase.ANSWER if answering else Phase.BODY,
        cause=cause,
        reused=reused,
    )
