"""The handful of fixtures that the tests of behaviour stand on.

`level` is beneath all others, so that it looks last: whatever a test opened must
be closed again, tasks and descriptors both.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import pytest
import pytest_asyncio
import uvloop
from hypothesis import settings

from tests.support import client as callers
from tests.support.cluster import StoreCluster
from tests.support.command import Runtime
from tests.support.kept import Keeper
from tests.support.leaks import Level, measured
from tests.support.origin import Origin
from tests.support.running import PLAIN, Gateway, start_gateway
from tests.support.scripted import Scripted, Step
from tests.support.sentinel import StoreSentinel
from tests.support.serving import Served
from tests.support.store import StoreServer
from tests.support.store_process import started

# A busy machine is nobody's mistake.
settings.register_profile("gwproxy", deadline=None)
settings.load_profile("gwproxy")


def pytest_configure(config: pytest.Config) -> None:
    """Where a run stands still, in a test or between two, each of its processes tells on SIGUSR1."""
    faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def level() -> AsyncIterator[Level]:
    """Fails the test when tasks, descriptors or complaints are left at its end."""
    before = await measured()
    asyncio.get_running_loop().set_exception_handler(before.hear)
    yield before
    left = await before.regained()
    assert left == [], "left open at the end of the test"
    assert before.complaints == [], "exceptions that nobody caught"


@pytest_asyncio.fixture
async def origin(level: Level) -> AsyncIterator[Origin]:
    """A recording service; what it was sent must have kept to RFC 9112."""
    service = Origin()
    await service.start()
    yield service
    await service.stop()
    assert service.faults == [], "the service was sent malformed requests"


@pytest_asyncio.fixture
async def scripted(
    level: Level,
) -> AsyncIterator[Callable[..., Awaitable[Scripted]]]:
    """Starts services that play steps: `await scripted([take_request(), reset()])`."""
    started: list[Scripted] = []

    async def start(*scripts: Sequence[Step]) -> Scripted:
        server = Scripted(*scripts)
        await server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()


@pytest_asyncio.fixture
async def connect(
    level: Level,
) -> AsyncIterator[Callable[[int], Awaitable[callers.Client]]]:
    """Opens raw connections of a caller: `c = await connect(port)`."""
    opened: list[callers.Client] = []

    async def open_one(port: int) -> callers.Client:
        client = await callers.connect(port)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()


@pytest_asyncio.fixture
async def gateway(level: Level) -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Starts gateways: `gw = await gateway(TOML, origin=origin, timeout="1s")`."""
    running: list[Gateway] = []

    async def start(text: str = PLAIN, origin: Served | None = None, **values: object) -> Gateway:
        started = await start_gateway(text, origin, **values)
        running.append(started)
        return started

    yield start
    for one in running:
        await one.stop()


@pytest_asyncio.fixture
async def gwproxy(level: Level, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runtime]:
    """Starts the command: `process = await gwproxy("run", str(file))`. Each test has a runtime folder of its own."""
    runtime = Runtime(tmp_path_factory.mktemp("run"))
    yield runtime
    await runtime.close()


@pytest_asyncio.fixture
async def store(level: Level) -> AsyncIterator[StoreServer]:
    """A Redis or Valkey server of the test's own, which nobody else uses."""
    async with started(StoreServer) as server:
        yield server


@pytest.fixture(scope="session")
def keeper() -> Iterator[Keeper]:
    """Has set-ups of several servers that a test left intact for the next one."""
    made = Keeper()
    yield made
    made.end()


@pytest_asyncio.fixture
async def cluster(level: Level, keeper: Keeper) -> AsyncIterator[StoreCluster]:
    """A cluster of three primaries, as good as new, which nobody else uses."""
    async with keeper.given(StoreCluster, level) as made:
        yield made


@pytest_asyncio.fixture
async def sentinel(level: Level, keeper: Keeper) -> AsyncIterator[StoreSentinel]:
    """A primary, its replica and three sentinels, as good as new, which nobody else uses."""
    async with keeper.given(StoreSentinel, level) as made:
        yield made
