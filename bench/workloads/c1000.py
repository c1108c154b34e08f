"""Small JSON for a thousand callers at once."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk("c1000", "214 bytes of JSON, 1,000 connections", Load("/small", 1000))
