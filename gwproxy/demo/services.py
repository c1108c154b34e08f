"""The sample services as a whole: which there are, where they listen, and how they start and end.

A plan comes first and touches nothing but ports; starting is the second step, so that what the demo will say
and do can be tested without.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from gwproxy.demo.analytics import analytics_app
from gwproxy.demo.orders import orders_app
from gwproxy.demo.playground import playground_app
from gwproxy.demo.search import search_app
from gwproxy.demo.users import users_app

HOST: Final = "127.0.0.1"
"""Sample services are for this machine only."""

_SHUTDOWN_S: Final = 1.0
# Above what the gateway admits in one line, so that a service never refuses what the gateway has let through.
_MAX_LINE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample service: its usual port, the variable that routes.toml finds it by, and what it runs."""

    port: int
    variable: str
    app: Callable[[], web.Application]


SAMPLES: Final[Mapping[str, Sample]] = {
    "users": Sample(3001, "USER_SERVICE_URL", users_app),
    "orders": Sample(3002, "ORDER_SERVICE_URL", orders_app),
    "search": Sample(3003, "SEARCH_SERVICE_URL", search_app),
    "analytics": Sample(3004, "ANALYTICS_SERVICE_URL", analytics_app),
    "playground": Sample(3005, "GWPROXY_DEMO_URL", playground_app),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo will start and say.

    `ports` are of the services to start, `environ` is what to load the configuration with, and `notes` are
    whole sentences about everything that is not as usual.
    """

    ports: Mapping[str, int]
    environ: Mapping[str, str]
    notes: tuple[str, ...]


def _listener(port: int) -> socket.socket | None:
    """A socket that listens on the port, 0 for any; None where somebody else does."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As the services will bind: a port whose last connections linger in TIME_WAIT is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1)
    except OSError:  # taken, or below 1024 and not ours to use
        listener.close()
        return None
    return listener


def _port_of(listener: socket.socket) -> int:
    name: tuple[str, int] = listener.getsockname()
    return name[1]


def pick_ports(wanted: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """A port on HOST for each name, its own where that is free, and a sentence about each that is not.

    The ports are tried by listening on them and let go again at the end, so that no two names get the same.
    Raises OSError when this machine has no port left at all.
    """
    ports: dict[str, int] = {}
    with ExitStack() as held:
        for name, port in wanted.items():
            if (listener := _listener(port)) is not None:
                held.callback(listener.close)
                ports[name] = _port_of(listener)
        # Only now those that must move, or one of them might sit down on the own port of another.
        for name in wanted.keys() - ports.keys():
            if (listener := _listener(0)) is None:
                raise OSError(f"no free port on {HOST} for {name}")
            held.callback(listener.close)
            ports[name] = _port_of(listener)
    notes = [
        f"Port {port} is taken, so {name} listens on {ports[name]}."
        for name, port in wanted.items()
        if ports[name] != port
    ]
    return {name: ports[name] for name in wanted}, notes


def plan_services(environ: Mapping[str, str], samples: Mapping[str, Sample] = SAMPLES) -> Plan:
    """Which sample services to start, and the environment in which the configuration finds all of them.

    A service whose variable is set already is somebody's own: it is used, and no sample is started for it.
    An empty variable counts as not set, as `${NAME:-default}` has it.
    """
    given = [name for name, sample in samples.items() if environ.get(sample.variable)]
    ports, moved = pick_ports({name: sample.port for name, sample in samples.items() if name not in given})
    # The variable's value is not shown: a URL may carry a password.
    own = [f"{samples[name].variable} is set, so the sample {name} is not started." for name in given]
    urls = {samples[name].variable: url_of(port) for name, port in ports.items()}
    return Plan(ports, {**environ, **urls}, (*own, *moved))


def url_of(port: int) -> str:
    """Where a service on this port is reached."""
    return f"http://{HOST}:{port}"


class Running:
    """Sample services that answer; `close()`, or leaving `async with`, ends them."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._runners: list[web.AppRunner] = []

    def __repr__(self) -> str:
        return f"<Running {self.ports}>"

    async def start(self, name: str, port: int) -> None:
        """Adds one service; port 0 takes any, and `ports` tells which. OSError where the port is taken."""
        runner = web.AppRunner(
            SAMPLES[name].app(),
            access_log=None,
            # A caller who leaves ends his /slow and his /events at once.
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_S,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
        )
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        self.ports[name] = runner.addresses[0][1]

    async def close(self) -> None:
        """Ends all services, with up to a second for answers under way; a second call does nothing."""
        while self._runners:
            await self._runners.pop().cleanup()
        self.ports.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def start_services(ports: Mapping[str, int]) -> Running:
    """Starts the named sample services: all of them, or none and the OSError of the one that could not."""
    running = Running()
    try:
        for name, port in ports.items():
            await running.start(name, port)
    except BaseException:
        await running.close()
        raise
    return running
