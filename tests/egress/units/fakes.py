"""A pool over connections that are not there, and a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gwproxy.deadlines import NEVER, Wheel
from gwproxy.drive import Drive, Waiter
from gwproxy.egress.pool import Pool
from gwproxy.egress.request import Times
from gwproxy.exchange import Exchange, Sender
from gwproxy.wire.receiver import Receiver


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeConnection:
    """As much of egress.connection.Connection as a pool knows."""

    def __init__(self, pool: Pool, number: int) -> None:
        self.pool = pool
        self.number = number
        self.due = self.filed = NEVER
        self.born = self.idle_since = pool.wheel.clock()
        self.state = 0
        self.is_closed = False
        self.has_ended = False
        self.asked = 0

    def __repr__(self) -> str:
        return f"<fake {self.number}{', closed' if self.is_closed else ''}>"

    def ended(self) -> bool:
        self.asked += 1
        return self.has_ended

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.state = 3
            self.pool.closed(self, was_idle=True)

    def expired(self, now: float) -> None:
        if self in self.pool._idle:
            self.close()


class Taking:
    """One caller who wants a connection of `pool`, and whom it may have to wait for."""

    def __init__(self, pool: Pool, *, checked: bool = False, connect_s: float = 2.0) -> None:
        self.exchange = exchange()
        self.error: BaseException | None = None
        self.connection = pool.take(checked=checked)
        if self.connection is not None:
            return
        self._times = Times(timeout_s=30.0, connect_s=connect_s, idle_s=30.0, total_s=NEVER)
        self.drive = Drive(self._open(pool), self._done)
        self.drive.start()

    async def _open(self, pool: Pool) -> None:
        self.connection = await pool.open(self.exchange, self._times)

    def _done(self, _: object, error: BaseException | None) -> None:
        self.error = error

    @property
    def waits(self) -> bool:
        return self.connection is None and self.error is None


class World:
    """A pool, its clock and all that it has opened. Connecting waits while `slow`, and fails while `broken`."""

    def __init__(self, **bounds: float) -> None:
        self.clock = Clock()
        self.wheel = Wheel(self.clock)
        self.opened: list[FakeConnection] = []
        self.connecting: list[Waiter] = []
        self.slow = False
        self.broken: BaseException | None = None
        self.pool = Pool("t:80", "s", b"", b"t", self.wheel, self._connect, **bounds)

    async def _connect(self, pool: Pool, timeout_s: float) -> FakeConnection:
        if self.slow:
            waiter = Waiter()
            self.connecting.append(waiter)
            await waiter
        if self.broken is not None:
            raise self.broken
        self.opened.append(FakeConnection(pool, len(self.opened)))
        return self.opened[-1]

    def take(self, **how) -> Taking:
        return Taking(self.pool, **how)

    def release(self, taking: Taking) -> None:
        self.pool.release(taking.connection)

    def later(self, seconds: float) -> None:
        self.clock.now += seconds
        self.wheel.sweep()


async def settle() -> None:
    """Let the loop turn until what was called soon has been called."""
    for _ in range(4):
        await asyncio.sleep(0)


def exchange() -> Exchange:
    head = Receiver(32768).head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert head is not None
    return Exchange(head, Sender("", b"http", b"a"), 1000.0)


def in_a_loop(run: Callable[[], object]) -> None:
    """For tests that hypothesis runs many times."""

    async def go() -> None:
        result = run()
        if asyncio.iscoroutine(result):
            await result

    asyncio.run(go())
