"""One file a workload; the table below is what `python -m bench` knows."""

from __future__ import annotations

from bench.workloads import (
    body_1m,
    body_64k,
    c1000,
    close,
    gibibyte,
    head,
    idle,
    latency,
    reload,
    slow_readers,
    small,
    upload,
    varied,
)
from bench.workloads.base import Workload

_FILES = (
    small, head, varied, body_64k, body_1m, upload, c1000, close,
    slow_readers, gibibyte, idle, latency, reload,
)  # fmt: skip
WORKLOADS: dict[str, Workload] = {each.WORKLOAD.name: each.WORKLOAD for each in _FILES}
DEFAULT = ("small", "head")
