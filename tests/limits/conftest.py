"""Stores to count limits in."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.leaks import Level
from tests.support.store import StoreServer


@pytest_asyncio.fixture
async def store(level: Level) -> AsyncIterator[StoreServer]:
    """A Redis or Valkey server of the test's own, which nobody else uses."""
    with tempfile.TemporaryDirectory(prefix="gw") as folder:
        server = StoreServer(Path(folder))
        await server.start()
        yield server
        await server.stop()
