"""One call of the script that decides, and the checks in it."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import hiredis

from gwproxy.limits.errand import Asked, Errand
from gwproxy.state.link import reason_of
from gwproxy.state.slots import slot_of

log = logging.getLogger("gwproxy")


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


class Call(Errand):
    """One script call and the checks in it. Whatever comes, and when: each check is settled once."""

    __slots__ = ("_checks", "_keys", "_words")

    def __init__(self, server: Asked, checks: list[Check]) -> None:
        super().__init__(server)
        self._checks = checks
        self._keys = [key for check in checks for key in check.keys]
        self._words = [check.word for check in checks]

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return not self._checks

    @property
    def slot(self) -> int:
        """Where its keys are."""
        return slot_of(self._keys[0])

    def command(self, *verb: str | bytes) -> tuple[Any, ...]:
        """What is sent: the server's time is to be taken."""
        return (*verb, len(self._keys), *self._keys, self._number, 0, *self._words)

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
            self._distrusted()
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
        self._stop()
        checks, self._checks = self._checks, []
        return checks
