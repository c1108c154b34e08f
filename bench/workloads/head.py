"""A browser's head: 16 fields of 1.1 KB, and an answer with twelve fields."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk(
    "head",
    "a browser's head (16 fields, 1.1 KB), an answer with 12 fields",
    Load("/page", script="head.lua"),
)
