"""One serving process: the one place where the rooms are wired together."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Sequence

from aiohttp import web

from gwproxy.config.load import Loaded
from gwproxy.deadlines import Wheel
from gwproxy.ingress.forwarded import Trust
from gwproxy.ingress.server import GatewayServer
from gwproxy.runtime.listeners import BACKLOG, listen_on
from gwproxy.runtime.live import Live
from gwproxy.snapshot.bind import Bound, bind
from gwproxy.snapshot.compile import compile_slices
from gwproxy.snapshot.types import Snapshot
from gwproxy.telemetry.ids import RequestIds
from gwproxy.telemetry.record import Counters, Record, Recorder


class Worker:
    """Serves one configuration after another on the same sockets.

    `record` gets the record of each exchange; without it exchanges are only counted. `sockets` are listening ones to
    use instead of those that `[gateway] listen` names.
    """

    def __init__(
        self,
        loaded: Loaded,
        record: Callable[[Record], None] | None = None,
        *,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self._loaded = loaded
        self._sockets = list(sockets)
        self._instance = loaded.config.gateway.instance or secrets.token_hex(4)
        self._wheel = Wheel()
        self.live = Live(self._wheel)
        self._recorder = Recorder(self._wheel.clock, record)
        self._server: GatewayServer | None = None
        self._runner: web.ServerRunner | None = None
        self._reloading = asyncio.Lock()

    async def start(self) -> None:
        """Compile, bind and listen. Raises ListenError, OSError (TLS files)."""
        bound = self._bind(await self._compile(self._loaded))
        self._server = GatewayServer(
            bound, self._wheel, self._trust(self._loaded), RequestIds(), self._recorder.__call__
        )
        if not self._sockets:
            with contextlib.ExitStack() as undo:
                for address in self._loaded.config.gateway.listen:
                    sock = listen_on(address)
                    undo.callback(sock.close)
                    self._sockets.append(sock)
                undo.pop_all()
        self._runner = web.ServerRunner(self._server, handle_signals=False)
        await self._runner.setup()
        for sock in self._sockets:
            await web.SockSite(self._runner, sock, backlog=BACKLOG).start()

    async def _compile(self, loaded: Loaded) -> Snapshot:
        """In slices, so that requests are served between them."""
        slices = compile_slices(loaded)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                snapshot: Snapshot = end.value
                return snapshot
            await asyncio.sleep(0)

    def _bind(self, snapshot: Snapshot) -> Bound:
        self.live.forget_used()
        return bind(snapshot, self.live)

    def _trust(self, loaded: Loaded) -> Trust:
        gateway = loaded.config.gateway
        return Trust(gateway.trusted_proxies, gateway.client_address, self._instance)

    async def reload(self, loaded: Loaded) -> None:
        """Serve `loaded` from now on, or raise as `start` does and change nothing. No connection is closed by it."""
        async with self._reloading:
            bound = self._bind(await self._compile(loaded))
            trust = self._trust(loaded)
            assert self._server is not None
            self._server.use(bound, trust)
            self.live.retire_unused()
            self._loaded = loaded

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
    def counters(self) -> Counters:
        """What this worker has done."""
        return self._recorder.counters

    @property
    def ports(self) -> list[int]:
        """The ports it listens on, in the order of `listen`; 0 for a unix socket."""
        return [s.getsockname()[1] if s.family != socket.AF_UNIX else 0 for s in self._sockets]

    @property
    def addresses(self) -> list[str]:
        """Where it listens, for people."""
        shown = []
        for sock in self._sockets:
            name = sock.getsockname()
            if sock.family == socket.AF_UNIX:
                shown.append(f"unix:{name}")
            else:
                host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
                shown.append(f"http://{host}:{name[1]}")
        return shown

    async def stop(self, drain_s: float | None = None) -> int:
        """Stop accepting, let what is under way end within `drain_s` (default: drain_timeout), then cut the rest.

        Gives the number of connections that were cut.
        """
        server, runner = self._server, self._runner
        cut = 0
        if server is not None and runner is not None:
            for site in list(runner.sites):
                await site.stop()
            server.drain()
            limit = float(self._loaded.config.gateway.drain_timeout) if drain_s is None else drain_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await server.emptied()
            cut = len(server.connections)
            await server.shutdown()
            await runner.cleanup()
        for sock in self._sockets:
            sock.close()
        await self.live.close()
        # Aborted transports tell their protocols in the loop's next turn.
        await asyncio.sleep(0)
        return cut
