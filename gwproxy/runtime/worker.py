"""What serves: the one place where the rooms are wired together.

A change of configuration has two halves. `prepare` compiles and binds in slices, between which requests are served,
and may fail; `swap` is one assignment, and cannot.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Coroutine, Generator, Mapping
from typing import Any, TypeVar

from gwproxy.config.load import Loaded
from gwproxy.deadlines import Wheel
from gwproxy.ingress.forwarded import Trust
from gwproxy.ingress.server import GatewayServer
from gwproxy.limits.store import store_of
from gwproxy.runtime.accepting import Accepting
from gwproxy.runtime.collector import undisturbed
from gwproxy.runtime.listeners import Listeners
from gwproxy.runtime.live import Live
from gwproxy.runtime.reading import processes_of
from gwproxy.snapshot.bind import SLICE, Bound, bind
from gwproxy.snapshot.compile import compile_slices
from gwproxy.snapshot.credentials import sources_of
from gwproxy.telemetry.ids import RequestIds
from gwproxy.telemetry.record import Counters, Recorder, Taker

T = TypeVar("T")


class Ready:
    """A configuration that can be swapped in."""

    __slots__ = ("bound", "loaded", "trust")

    def __init__(self, loaded: Loaded, bound: Bound, trust: Trust) -> None:
        self.loaded = loaded
        self.bound = bound
        self.trust = trust

    def routes(self) -> list[object]:
        """All that it holds a route at a time."""
        return [*self.bound.routes, *self.bound.snapshot.routes, *self.loaded.config.routes]


class Worker:
    """Serves one configuration after another on the same sockets.

    `record` gets the exchanges that have ended, some at a time; without it they are only counted. `instance` is its
    name in Via, `store` where limits are counted, where that is not for the file to say.
    """

    def __init__(self, loaded: Loaded, record: Taker | None = None, *, instance: str = "", store: str = "") -> None:
        self._loaded = loaded
        self._store = store
        self._ready: Ready | None = None
        self._letting_go: set[asyncio.Task[None]] = set()
        self._instance = instance or loaded.config.gateway.instance or secrets.token_hex(4)
        self._wheel = Wheel()
        self.live = Live(self._wheel)
        self._recorder = Recorder(self._wheel.clock, record)
        self._server: GatewayServer | None = None
        self._accepting: Accepting | None = None
        self._preparing = asyncio.Lock()

    async def start(self, sockets: Mapping[str, socket.socket] | None = None) -> None:
        """Compile, bind, and accept on `sockets` by address, which are the worker's from here.

        Without them on those that `[gateway] listen` names. Raises ListenError, OSError (TLS files).
        """
        config = self._loaded.config
        self.live.limits = store_of(self._store or config.state.url, config.state, processes_of(config))
        await self.live.limits.start()
        self._ready = ready = await self.prepare(self._loaded)
        self.live.settle_in(config.limits.max_callers)
        self._server = GatewayServer(
            ready.bound, self._wheel, ready.trust, RequestIds(), self._recorder.__call__
        )
        if sockets is None:
            sockets = Listeners().opened(self._loaded.config.gateway.listen)
        self._accepting = Accepting(self._server)
        await self._accepting.use(sockets)

    async def prepare(self, loaded: Loaded) -> Ready:
        """Compile and bind `loaded`. Raises OSError or ssl.SSLError for unusable TLS files."""
        async with self._preparing:
            snapshot = await sliced(compile_slices(loaded))
            self.live.forget_used()
            bound = await sliced(bind(snapshot, self.live))
            gateway = loaded.config.gateway
            return Ready(
                loaded, bound, Trust(gateway.trusted_proxies, gateway.client_address, self._instance)
            )

    def swap(self, ready: Ready) -> None:
        """Serve `ready`, the last that was prepared, from the next request on. No connection is closed by it."""
        # What has ended is told as the configuration that it was asked of says.
        self.settle()
        self.server.use(ready.bound, ready.trust)
        self.live.settle_in(ready.loaded.config.limits.max_callers)
        if self._ready is not None:
            letting_go = asyncio.create_task(sliced(release(self._ready.routes())))
            self._letting_go.add(letting_go)
            letting_go.add_done_callback(self._letting_go.discard)
        self._loaded, self._ready = ready.loaded, ready

    def forget(self) -> None:
        """What was prepared last will not be served: let go of what was opened for it."""
        self.live.forget_used()
        snapshot = self.server.bound.snapshot
        for spec in snapshot.all_services():
            self.live.pools(spec)
        for source in sources_of(snapshot.auth):
            self.live.key_source(source)
        for keys in snapshot.auth.records() if snapshot.auth is not None else ():
            self.live.key_records(keys)
        if snapshot.tenancy is not None and snapshot.tenancy.records is not None:
            self.live.tenant_records(snapshot.tenancy.records)
        self.live.retire_unused()

    async def reload(self, loaded: Loaded) -> None:
        """Serve `loaded` from now on, or raise as `prepare` does and change nothing."""
        try:
            ready = await self.prepare(loaded)
        except BaseException:
            self.forget()
            raise
        self.swap(ready)

    @property
    def loaded(self) -> Loaded:
        """The configuration in force."""
        return self._loaded

    @property
    def server(self) -> GatewayServer:
        """The callers' side. Only after `start`."""
        assert self._server is not None
        return self._server

    @property
    def accepting(self) -> Accepting:
        """The listening sockets. Only after `start`."""
        assert self._accepting is not None
        return self._accepting

    @property
    def counters(self) -> Counters:
        """What this worker has done."""
        return self._recorder.counters

    def settle(self) -> None:
        """Count, and hand to `record`, what has ended; forget callers long gone. To be called ten times a second."""
        self._recorder.settle()
        self.live.limits.sweep()

    @property
    def ports(self) -> list[int]:
        """The ports it listens on, in the order of `listen`; 0 for a unix socket."""
        return [s.getsockname()[1] if s.family != socket.AF_UNIX else 0 for s in self.accepting.sockets]

    async def stop(self, drain_s: float | None = None, *, at_once: asyncio.Event | None = None) -> int:
        """Stop accepting, let what is under way end within `drain_s` (default: drain_timeout), then cut the rest.

        `at_once` ends the waiting earlier. Gives the number of connections that were cut.
        """
        server = self._server
        self.live.draining = True
        cut = 0
        if self._accepting is not None:
            await self._accepting.close()
        if server is not None:
            server.drain()
            limit = float(self._loaded.config.gateway.drain_timeout) if drain_s is None else drain_s
            await _first(limit, server.emptied(), (at_once or asyncio.Event()).wait())
            cut = len(server.connections)
            await server.shutdown()
        await self.live.close()
        # Aborted transports tell their protocols in the loop's next turn.
        await asyncio.sleep(0)
        return cut


def release(routes: list[object]) -> Generator[None, None, None]:
    """Free what a configuration was made of in slices, as it was made: at once it would hold the loop as long."""
    while routes:
        yield
        del routes[-SLICE:]


async def _first(seconds: float, *waits: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first of these, and no longer than `seconds`."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def sliced(slices: Generator[None, None, T]) -> T:
    """Drain a generator of slices, with a turn of the loop between each two."""
    while True:
        try:
            with undisturbed():
                next(slices)
        except StopIteration as end:
            value: T = end.value
            return value
        await asyncio.sleep(0)
