"""What a running gateway tells of itself."""

from __future__ import annotations

from msgspec import Struct

from gwproxy.telemetry.histogram import quantile
from gwproxy.telemetry.tally import Tally

SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """One worker. `lived_s` is how long it has been there; `short` that it waits for descriptors to come free.

    `store_trouble` is why limits are not counted by their store, "" where they are; `store_failures` how often it
    has failed; `store_evicts` that it may forget what it has counted, and by which policy. `key_trouble`: which
    issuer's keys could not be fetched last, and why.
    """

    number: int
    pid: int
    state: str
    generation: int
    connections: int
    accepting: bool
    short: bool
    exchanges: int
    lived_s: float
    restarts: int
    longest_gc_ms: float
    store_trouble: str
    store_failures: int
    store_evicts: str
    key_trouble: str = ""


class ServiceStatus(Struct, frozen=True, kw_only=True):
    """How long what one service answered took in all, in milliseconds, since the gateway began.

    Quantiles are those of log-linear buckets: off by 6 % at the most.
    """

    exchanges: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class Status(Struct, frozen=True, kw_only=True):
    """A gateway, at one moment. `began` is seconds since 1970, `descriptors` how many each process may have.

    `services` has what the gateway answered itself under the name "".
    """

    version: str
    pid: int
    state: str
    file: str
    generation: int
    began: float
    descriptors: int
    listeners: tuple[str, ...]
    workers: tuple[WorkerStatus, ...]
    services: dict[str, ServiceStatus]
    tally: Tally
    last_reload: tuple[str, ...] = ()


def services_of(tally: Tally) -> dict[str, ServiceStatus]:
    """What there is to tell of each service."""
    return {
        name: ServiceStatus(
            exchanges=sum(served.total.values()),
            **{key: round(quantile(served.total, share) * 1000, 3) for key, share in SHARES.items()},
        )
        for name, served in sorted(tally.by_service.items())
    }
