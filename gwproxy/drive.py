"""One coroutine a request, without a Task.

A Task is resumed by the loop, one turn after what it waited for has come: at each wait a handle, a turn and a poll.
A `Drive` resumes its coroutine inside the very call that brings the news (the service's answer, the end of a body),
so that a request costs two reads and two writes and no turns in between (docs/decisions.md has the figures).

Where nothing else has to be waited for, no coroutine is needed at all: whoever has something to do when a `Waiter`
is set attaches itself (ingress/serving.py), and a coroutine in a `Drive` is just one more that does.

Such a coroutine may await a `Waiter`, an asyncio Future or Task, and coroutines made of these. What needs to know its
own Task (asyncio.timeout, TaskGroup, most libraries) is awaited as `loop.create_task(...)`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol


class Waiting(Protocol):
    """Who has something to do when a Waiter is set."""

    def resume(self, value: Any, error: BaseException | None) -> None:
        """The value has come, or never will."""


class Waiter:
    """A value that one waits for. It is set once; a second set is ignored."""

    __slots__ = ("_error", "_value", "_waiting", "ready")

    def __init__(self) -> None:
        self._waiting: Waiting | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self.ready = False

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it now."""
        return self._waiting is not None

    def set(self, value: Any = None) -> None:
        """Give the value, and resume who waits for it before this call returns."""
        if self.ready:
            return
        self.ready = True
        self._value = value
        waiting = self._waiting
        if waiting is not None:
            self._waiting = None
            waiting.resume(value, None)

    def fail(self, error: BaseException) -> None:
        """Raise `error` in who waits for it."""
        if self.ready:
            return
        self.ready = True
        self._error = error
        waiting = self._waiting
        if waiting is not None:
            self._waiting = None
            waiting.resume(None, error)

    def attach(self, waiting: Waiting) -> None:
        """Resume `waiting` when the value comes, or now if it has come."""
        if self.ready:
            waiting.resume(self._value, self._error)
        else:
            self._waiting = waiting

    def cancel(self) -> None:
        """Nobody waits any more. What is under way for it may be given up."""
        self._waiting = None

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.ready:
            yield self
        if self._error is not None:
            raise self._error
        return self._value


class Turns:
    """Work that holds the loop, one piece of it in each of the loop's turns, so that others' comes in between.

    First come, first served; who is cancelled takes no turn.
    """

    __slots__ = ("_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[Waiter] = deque()

    def take(self) -> bool:
        """Whether this turn is still free; it is the caller's then."""
        if self._taken:
            return False
        self._taken = True
        asyncio.get_running_loop().call_soon(self._next)
        return True

    def mine(self) -> Waiter:
        """Awaited, it goes on in a turn that is the caller's."""
        waiter = Waiter()
        if self.take():
            waiter.set()
        else:
            self._waiting.append(waiter)
        return waiter

    def _next(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if waiter.awaited:
                asyncio.get_running_loop().call_soon(self._next)
                waiter.set()
                return
        self._taken = False


class Drive:
    """Runs one coroutine to its end. `done` is called once with its result, and what it raised, or None."""

    __slots__ = ("_coro", "_done", "_waiting")

    def __init__(
        self, coro: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]
    ) -> None:
        self._coro: Coroutine[Any, Any, Any] | None = coro
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
        except StopIteration as end:
            self._coro = None
            self._done(end.value, None)
            return
        except BaseException as failure:
            self._coro = None
            self._done(None, failure)
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
        if not isinstance(waiting, Waiter):
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


def drive(awaited: Awaitable[Any]) -> asyncio.Future[Any]:
    """Drive `awaited` and give its result as a Future: the bridge from tasks, tests and the command line."""
    future = asyncio.get_running_loop().create_future()

    async def run() -> Any:
        return await awaited

    def done(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)

    driven = Drive(run(), done)
    driven.start()
    future.add_done_callback(lambda f: driven.cancel() if f.cancelled() else None)
    return future
