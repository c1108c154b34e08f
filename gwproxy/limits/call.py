"""One call of the script that decides, and the checks in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

import hiredis

from gwproxy.state.link import reason_of
from gwproxy.state.slots import slot_of

log = logging.getLogger("gwproxy")


ONE_POLL_S: Final = 0.001


class Check(Protocol):
    """Limits of one request that one server decides together, whose `keys` are in one slot.

    `word` is what the script is told of them, `numbers` how many it answers, `most` what none of these can exceed.
    """

    keys: list[str]
    word: str
    numbers: int
    most: int

    def settle(self, now: int, numbers: list[int]) -> None:
        """The server's time, and the script's numbers for this check."""

    def give_up(self, why: str) -> None:
        """There is no answer that helps."""


class Asked(Protocol):
    """The server, as a call needs it. `trouble`: why it is not asked, else ""."""

    trouble: str

    def fail(self, why: str) -> None:
        """It has given no answer, or none that helps."""

    def distrust(self, why: str) -> None:
        """It does not answer what it is asked."""

    def send_whole(self, call: Call) -> None:
        """It does not know the script."""

    def elsewhere(self, call: Call, error: str) -> bool:
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


class Call:
    """One script call and the checks in it. Whatever comes, and when: each check is settled once.

    `hops`: how often it was sent on; `asking`: to a node that is only about to have the slot; `sent`: a server is to
    answer it now.
    """

    __slots__ = ("_checks", "_keys", "_number", "_server", "_timer", "_whole", "_words", "asking", "hops", "sent")

    def __init__(self, server: Asked, checks: list[Check]) -> None:
        self._server = server
        self._checks = checks
        self._keys = [key for check in checks for key in check.keys]
        self._words = [check.word for check in checks]
        self._number = 0
        self._timer: Timer | None = None
        self._whole = False
        self.asking = False
        self.sent = False
        self.hops = 0

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return not self._checks

    @property
    def slot(self) -> int:
        """Where its keys are."""
        return slot_of(self._keys[0])

    def begin(self, server: Asked, number: int, timeout_s: float) -> None:
        """`server` is asked now. The time-out is of the whole, however many are asked."""
        self._server, self._number, self._whole, self.sent = server, number, False, True
        if self._timer is None:
            self._timer = Timer(timeout_s, self._late)

    def command(self, *verb: str | bytes) -> tuple[Any, ...]:
        """What is sent: the server's time is to be taken."""
        return (*verb, len(self._keys), *self._keys, self._number, 0, *self._words)

    def _late(self) -> None:
        """The server has not answered in time: whether it has counted is not known."""
        if self.over:
            return
        if self.sent:
            self._server.fail("no answer in time")
        # Else nobody is to blame: it has found no server that could take it.
        self.give_up("no answer in time")

    def give_up(self, why: str) -> None:
        """There will be no answer that helps."""
        for check in self._end():
            try:
                check.give_up(why)
            except Exception:
                log.exception("a decision on limits could not be told")

    def take(self, answer: Any) -> None:
        """The server's answer; after the time-out nobody's any more."""
        if self.over:
            return
        server = self._server
        if isinstance(answer, hiredis.ReplyError):
            why = str(answer)
            if why.startswith("NOSCRIPT") and not self._whole:
                self._whole = True
                server.send_whole(self)
                return
            if not server.elsewhere(self, why):
                server.fail(why)
                self.give_up(why)
            return
        if isinstance(answer, Exception):
            server.fail(reason_of(answer))
            self.give_up(reason_of(answer))
            return
        if not self._is_mine(answer):
            server.distrust("it gave another answer than was asked for")
            self.give_up(server.trouble)
            return
        now, at = answer[1], 2
        for check in self._end():
            end = at + check.numbers
            try:
                check.settle(now, answer[at:end])
            except Exception:
                # A mistake over one request: those that came with it are not to wait for ever.
                log.exception("a decision on limits could not be told")
            at = end

    def _is_mine(self, answer: Any) -> bool:
        """Whether it is this call's: its number, as many numbers as the checks have asked for, and what can be."""
        if (
            type(answer) is not list
            or len(answer) != 2 + sum(check.numbers for check in self._checks)
            or not all(type(number) is int for number in answer)
            or answer[0] != self._number
            or min(answer) < 0
        ):
            return False
        at = 2
        for check in self._checks:
            refusing, wait = answer[at], answer[at + 1]
            end = at + check.numbers
            # Else one lie would be remembered, and lock a caller out.
            if refusing > len(check.keys) or (refusing > 0) != (wait > 0) or max(answer[at:end]) > check.most:
                return False
            at = end
        return True

    def _end(self) -> list[Check]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        checks, self._checks = self._checks, []
        return checks
