"""A new connection for each request."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk(
    "close",
    "214 bytes of JSON, a new connection each (Connection: close)",
    Load("/small", headers=("Connection: close",)),
)
