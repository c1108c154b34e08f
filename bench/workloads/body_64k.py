"""Answers of 64 KiB."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk("64k", "answers of 64 KiB, 64 connections", Load("/64k"))
