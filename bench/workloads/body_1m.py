"""Downloads of 1 MiB."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk("1m", "downloads of 1 MiB, 64 connections", Load("/1m"))
