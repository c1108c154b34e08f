"""Stores as a gateway is told of them: a server behind TCP, behind TLS, and the gateway's own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from gwproxy.config.load import loads
from gwproxy.runtime.private_store import PrivateStore
from tests.support.authority import Authority
from tests.support.leaks import Level
from tests.support.relay import Relay
from tests.support.store import StoreServer
from tests.support.store_process import IN_MEMORY


class StoreAt(NamedTuple):
    url: str


@pytest_asyncio.fixture
async def tcp(store: StoreServer) -> AsyncIterator[StoreAt]:
    relay = Relay(store.path)
    await relay.start()
    yield StoreAt(f"redis://127.0.0.1:{relay.port}")
    await relay.stop()


@pytest_asyncio.fixture
async def tls(store: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreAt]:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    relay = Relay(store.path, authority.server_context("127.0.0.1"))
    await relay.start()
    yield StoreAt(f"rediss://127.0.0.1:{relay.port}")
    await relay.stop()


@pytest_asyncio.fixture
async def embedded(level: Level) -> AsyncIterator[StoreAt]:
    """The server that a supervisor starts, here without one."""
    config = loads('[state]\nurl = "embedded://"\n[[routes]]\npath = "/a"\nrespond = { status = 200 }\n').config
    with tempfile.TemporaryDirectory(prefix="gw", dir=IN_MEMORY) as folder:
        private = PrivateStore(Path(folder) / "store.sock")
        try:
            await private.start(config)
            yield StoreAt(private.url)
        finally:
            await private.close()


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Of the store that a test's parameter names: the name of a fixture, or "memory"."""
    return "memory://" if request.param == "memory" else str(request.getfixturevalue(request.param).url)
