"""One coroutine a request, without a Task.

A Task is resumed by the loop, one turn after what it waited for has come: at each wait a handle, a turn and a poll.
A `Drive` resumes its coroutine inside the very call that brings the news (the service's answer, the end of a body),
so that a request costs two reads and two writes and no turns in between (docs/decisions.md has the figures).

Such a coroutine may await a `Waiter`, an asyncio Future or Task, and coroutines made of these. What needs to know its
own Task (asyncio.timeout, TaskGroup, most libraries) is awaited as `loop.create_task(...)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Waiter:
    """A value that one driven coroutine waits for. It is set once; a second set is ignored."""

    __slots__ = ("_drive", "_error", "_value", "ready")

    def __init__(self) -> None:
        self._drive: Drive | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self.ready = False

    def set(self, value: Any = None) -> None:
        """Give the value, and resume who waits for it before this call returns."""
        if self.ready:
            return
        self.ready = True
        self._value = value
        drive = self._drive
        if drive is not None:
            self._drive = None
            drive.resume(value, None)

    def fail(self, error: BaseException) -> None:
        """Raise `error` in who waits for it."""
        if self.ready:
            return
        self.ready = True
        self._error = error
        drive = self._drive
        if drive is not None:
            self._drive = None
            drive.resume(None, error)

    def attach(self, drive: Drive) -> None:
        """Resume `drive` when the value comes."""
        self._drive = drive

    def detach(self) -> None:
        """Nobody waits any more."""
        self._drive = None

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.ready:
            yield self
        if self._error is not None:
            raise self._error
        return self._value


class Drive:
    """Runs one coroutine to its end. `done` is called once with what it raised, or None."""

    __slots__ = ("_coro", "_done", "_waiting")

    def __init__(self, coro: Coroutine[Any, Any, None], done: Callable[[BaseException | None], None]) -> None:
        self._coro: Coroutine[Any, Any, None] | None = coro
        self._done = done
        self._waiting: Waiter | asyncio.Future[Any] | None = None

    @property
    def running(self) -> bool:
        """Whether the coroutine has not ended."""
        return self._coro is not None

    def start(self) -> None:
        """Run to the first wait."""
        self.resume(None, None)

    def resume(self, value: Any, error: BaseException | None) -> None:
        """Run to the next wait, or to the end."""
        coro = self._coro
        if coro is None:
            return
        self._waiting = None
        try:
            waiting = coro.send(value) if error is None else coro.throw(error)
        except StopIteration:
            self._coro = None
            self._done(None)
            return
        except BaseException as failure:
            self._coro = None
            self._done(failure)
            return
        self._waiting = waiting
        if isinstance(waiting, Waiter):
            waiting.attach(self)
        elif not asyncio.isfuture(waiting):
            # asyncio.sleep(0) and its like yield to a Task's loop, which is not here.
            self.resume(
                None, RuntimeError(f"a driven coroutine cannot wait for {waiting!r}: await it as a task")
            )
        else:
            waiting._asyncio_future_blocking = False
            waiting.add_done_callback(self._future_done)

    def cancel(self) -> None:
        """Raise CancelledError where the coroutine waits. What it still does in `finally` runs before this returns."""
        waiting = self._waiting
        if waiting is None:
            # Running, or over: who is on the stack below sees the end by what it does next.
            return
        if isinstance(waiting, Waiter):
            waiting.detach()
        else:
            waiting.remove_done_callback(self._future_done)
            waiting.cancel()
        self.resume(None, asyncio.CancelledError())

    def _future_done(self, future: asyncio.Future[Any]) -> None:
        try:
            value = future.result()
        except BaseException as error:
            self.resume(None, error)
        else:
            self.resume(value, None)


def drive(coro: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
    """Drive `coro` and give its result as a Future: the bridge from tasks, tests and the command line."""
    future = asyncio.get_running_loop().create_future()

    async def run() -> None:
        result = await coro
        if not future.done():
            future.set_result(result)

    def done(error: BaseException | None) -> None:
        if error is not None and not future.done():
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)

    driven = Drive(run(), done)
    driven.start()
    future.add_done_callback(lambda f: driven.cancel() if f.cancelled() else None)
    return future
