"""What a server is asked, and what becomes of it: sent on to another, too late, refused, or answered."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Protocol

ONE_POLL_S: Final = 0.001


class Asked(Protocol):
    """The server, as an errand needs it. `trouble`: why it is not asked, else ""; `address`: where it is, "" where it
    never was reached.
    """

    trouble: str
    address: str

    def fail(self, why: str) -> None:
        """It has given no answer, or none that helps."""

    def distrust(self, why: str) -> None:
        """It does not answer what it is asked."""

    def send_whole(self, call: Errand) -> None:
        """It does not know the script."""

    def elsewhere(self, call: Errand, error: str) -> bool:
        """Whether another server is asked, for it has said that the keys are not there."""


class Timer:
    """Calls `then` after so long, and once more after the sockets were read: an answer that has come may lie there
    where the loop itself has stood still, since timers are called first.
    """

    __slots__ = ("_handle",)

    def __init__(self, delay_s: float, then: Callable[[], None]) -> None:
        # Only the loop's handle knows `then`, and lets go of it: who is called has this, and no cycle is to be left.
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._due, then)

    def _due(self, then: Callable[[], None]) -> None:
        # uvloop makes of no delay a call before the sockets are read.
        self._handle = asyncio.get_running_loop().call_later(ONE_POLL_S, then)

    def cancel(self) -> None:
        """It is not needed any more."""
        self._handle.cancel()


class Errand(ABC):
    """One thing that one server after another is asked, within one time-out, until it is answered or given up.

    `hops`: how often it was sent on; `asking`: to a node that is only about to have the slot; `sent`: a server is to
    answer it now.
    """

    __slots__ = ("_number", "_server", "_timer", "_whole", "asking", "hops", "sent")

    def __init__(self, server: Asked) -> None:
        self._server = server
        self._number = 0
        self._timer: Timer | None = None
        self._whole = False
        self.asking = False
        self.sent = False
        self.hops = 0

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether nobody waits for it any more."""

    @property
    @abstractmethod
    def slot(self) -> int:
        """Where its keys are."""

    @abstractmethod
    def command(self, *verb: str | bytes) -> tuple[Any, ...]:
        """What is sent; `verb` is what limits are decided by."""

    @abstractmethod
    def take(self, answer: Any) -> None:
        """The server's answer; after the time-out nobody's any more."""

    @abstractmethod
    def give_up(self, why: str) -> None:
        """There will be no answer that helps."""

    def begin(self, server: Asked, number: int, timeout_s: float) -> None:
        """`server` is asked now. The time-out is of the whole, however many are asked."""
        self._server, self._number, self._whole, self.sent = server, number, False, True
        if self._timer is None:
            self._timer = Timer(timeout_s, self._late)

    def _late(self) -> None:
        """The server has not answered in time: whether it has done what it was asked is not known."""
        if self.over:
            return
        if self.sent:
            self._server.fail("no answer in time")
        # Else nobody is to blame: it has found no server that could take it.
        self.give_up("no answer in time")

    def _distrusted(self) -> None:
        """The answer is none to this."""
        server = self._server
        server.distrust("it gave another answer than was asked for")
        self.give_up(server.trouble)

    def _stop(self) -> None:
        """It is over: nothing is too late any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
