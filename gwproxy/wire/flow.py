"""Bodies on their way through, either direction, under backpressure.

A `Body` stands between the connection that reads it (its `Faucet`) and the one that writes it (its `Sink`). Until a
sink is connected what arrives is kept, and above `HIGH` the faucet is turned off; afterwards every piece is handed on
in the call that brought it, and the sink's own buffer decides. No coroutine is woken for a piece.
"""

from __future__ import annotations

from typing import Final, Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError, Phase

HIGH: Final = 64 * 1024
LOW: Final = 16 * 1024


class Faucet(Protocol):
    """The connection that a body is read from."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Nobody will take the rest."""


class Sink(Protocol):
    """Where a body goes."""

    def write(self, data: bytes) -> None:
        """Take one piece; never empty."""

    def finish(self) -> None:
        """The body is whole."""

    def fail(self, error: BaseException) -> None:
        """The body will never be whole."""


class Body:
    """One message body under way. `length` is as in framing.decoder_for; `size` counts what has come."""

    __slots__ = ("_faucet", "_parts", "_paused", "_sink", "done", "error", "length", "limit", "size")

    def __init__(self, faucet: Faucet | None, length: int, limit: int = 0) -> None:
        self._faucet = faucet
        self._parts: list[bytes] = []
        self._sink: Sink | None = None
        self._paused = False
        self.length = length
        self.limit = limit
        self.size = 0
        self.done = False
        self.error: BaseException | None = None

    def put(self, data: bytes) -> None:
        """A piece has come from the faucet."""
        self.size += len(data)
        sink = self._sink
        if sink is not None:
            sink.write(data)
            return
        self._parts.append(data)
        if self.size >= HIGH:
            self.pause()

    def end(self) -> None:
        """The last piece has come."""
        self.done = True
        self._faucet = None
        # Let go of: sinks know their bodies, and a cycle a request would be garbage for the collector.
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.finish()

    def fail(self, error: BaseException) -> None:
        """The faucet broke before the end."""
        if self.done or self.error is not None:
            return
        self.error = error
        self._faucet = None
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.fail(error)

    def connect(self, sink: Sink) -> None:
        """Hand over what has come, and from now on each piece as it comes."""
        parts, self._parts = self._parts, []
        over = self.done or self.error is not None
        if not over:
            self._sink = sink
            # Before the parts are written: the sink may be full with them, and pause again.
            self.resume()
        for part in parts:
            sink.write(part)
        if self.error is not None and over:
            sink.fail(self.error)
        elif over:
            sink.finish()

    def take(self) -> bytes:
        """What has come so far and nobody took. Only before `connect`."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pause(self) -> None:
        """The sink can take no more for now."""
        if not self._paused and self._faucet is not None:
            self._paused = True
            self._faucet.pause()

    def resume(self) -> None:
        """The sink can take more."""
        if self._paused:
            self._paused = False
            if self._faucet is not None:
                self._faucet.resume()

    def abort(self) -> None:
        """Nobody wants the rest; the faucet decides what becomes of it."""
        faucet, self._faucet = self._faucet, None
        self._parts = []
        self._sink = DROPPED
        if faucet is not None:
            faucet.abort()


class _Dropped:
    """A sink that keeps nothing."""

    def write(self, data: bytes) -> None:
        return

    def finish(self) -> None:
        return

    def fail(self, error: BaseException) -> None:
        return


DROPPED: Final = _Dropped()


class Collector:
    """A sink that keeps a body whole, up to `bound` bytes. For what must read it: transforms, merges, cache fills."""

    __slots__ = ("_parts", "_size", "bound", "whole")

    def __init__(self, bound: int) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.bound = bound
        self.whole = Waiter()

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self.bound:
            self._parts.clear()
            self.whole.fail(
                GatewayError("body_too_large", f"Body of more than {self.bound} bytes", phase=Phase.BODY)
            )
            return
        self._parts.append(data)

    def finish(self) -> None:
        self.whole.set(b"".join(self._parts))

    def fail(self, error: BaseException) -> None:
        self.whole.fail(error)


async def collect(body: Body, bound: int) -> bytes:
    """The whole body. Raises GatewayError (`body_too_large`) above `bound` bytes, or what broke the body."""
    collector = Collector(bound)
    body.connect(collector)
    whole: bytes = await collector.whole
    return whole


def whole(content: bytes, length: int) -> Body:
    """A body that is here already, for who reads bodies. `length` is as in framing.decoder_for."""
    body = Body(None, length)
    if content:
        body.put(content)
    body.end()
    return body
