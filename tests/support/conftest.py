"""What tests of the harness stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.kept import Keeper
from tests.support.leaks import Level, open_descriptors


@pytest_asyncio.fixture
async def own(level: Level) -> AsyncIterator[Keeper]:
    """Has nothing yet."""
    keeper = Keeper()
    yield keeper
    before = open_descriptors()["socket"]
    keeper.end()
    level.outlived_by(open_descriptors()["socket"] - before)
