"""The plain route: 64 callers ask for 214 bytes of JSON."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk("small", "214 bytes of JSON, 64 connections", Load("/small"))
