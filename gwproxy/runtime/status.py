"""What a running gateway tells of itself."""

from __future__ import annotations

from msgspec import Struct

from gwproxy.telemetry.tally import Tally


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """One worker. `served_s` is how long it has been there."""

    number: int
    pid: int
    state: str
    generation: int
    connections: int
    accepting: bool
    exchanges: int
    lived_s: float
    restarts: int
    longest_gc_ms: float


class Status(Struct, frozen=True, kw_only=True):
    """A gateway, at one moment. `began` is seconds since 1970."""

    version: str
    pid: int
    state: str
    file: str
    generation: int
    began: float
    listeners: tuple[str, ...]
    workers: tuple[WorkerStatus, ...]
    tally: Tally
    last_reload: tuple[str, ...] = ()
