"""Uploads of 1 MiB, which the origin reads whole before it answers."""

from bench.workloads.base import by_wrk
from bench.wrk import Load

WORKLOAD = by_wrk("upload", "uploads of 1 MiB, 64 connections", Load("/upload", script="upload.lua"))
