"""Stores to count limits in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.cluster import StoreCluster
from tests.support.leaks import Level
from tests.support.sentinel import StoreSentinel
from tests.support.store import StoreServer
from tests.support.store_process import started


@pytest_asyncio.fixture
async def store(level: Level) -> AsyncIterator[StoreServer]:
    """A Redis or Valkey server of the test's own, which nobody else uses."""
    async with started(StoreServer) as server:
        yield server


@pytest_asyncio.fixture
async def cluster(level: Level) -> AsyncIterator[StoreCluster]:
    """A cluster of three primaries, of the test's own."""
    async with started(StoreCluster) as made:
        yield made


@pytest_asyncio.fixture
async def sentinel(level: Level) -> AsyncIterator[StoreSentinel]:
    """A primary, its replica and three sentinels, of the test's own."""
    async with started(StoreSentinel) as made:
        yield made
