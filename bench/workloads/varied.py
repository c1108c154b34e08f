"""The browser's head with a path, a header and a cookie that differ on every request.

A proxy may keep what it computed from the last head; this shows what that is worth in earnest.
Where tokens are wanted, a thousand callers take turns.
"""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk(
    "varied",
    "like head, but path, header and cookie differ on every request, fields and length of every answer",
    Load("/varied/", script="varied.lua", many=True),
)
