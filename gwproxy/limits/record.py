"""A record of the store, read by the way of the checks: in one go with them, and waited for no longer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import hiredis

from gwproxy.limits.errand import Asked, Errand
from gwproxy.state.link import reason_of
from gwproxy.state.records import LONGEST, StoreFails, Take, Unreadable
from gwproxy.state.slots import slot_of

log = logging.getLogger("gwproxy")

SCRIPT: Final = files("gwproxy.limits").joinpath("scripts/record.lua").read_bytes()
_NO_STRING: Final = "WRONGTYPE"


class Reading(Errand):
    """One key that is read. `done` is told of each that ends, with why where the store has not answered."""

    __slots__ = ("_done", "_key", "_take")

    def __init__(self, server: Asked, key: str, take: Take, done: Callable[[Asked, str], None]) -> None:
        super().__init__(server)
        self._key = key
        self._take: Take | None = take
        self._done = done

    @property
    def over(self) -> bool:
        """As Errand's."""
        return self._take is None

    @property
    def slot(self) -> int:
        """As Errand's."""
        return slot_of(self._key)

    def command(self, *verb: str | bytes) -> tuple[Any, ...]:
        """As Errand's. One byte more than a record may have, so that it is seen to be too long."""
        return "EVAL", SCRIPT, 1, self._key, LONGEST + 1

    def take(self, answer: Any) -> None:
        """As Errand's. What the server refuses to read is no reason not to have it count limits."""
        if self.over:
            return
        if isinstance(answer, hiredis.ReplyError):
            why = str(answer)
            if _NO_STRING in why:
                self._end("", Unreadable("it is no string"))
            elif not self._server.elsewhere(self, why):
                self.give_up(why)
        elif isinstance(answer, Exception):
            self._server.fail(reason_of(answer))
            self.give_up(reason_of(answer))
        elif self._is_mine(answer):
            self._end("", answer[1])
        else:
            self._distrusted()

    def give_up(self, why: str) -> None:
        """As Errand's."""
        if not self.over:
            why = why or "there is no connection"
            self._end(why, StoreFails(why))

    def _is_mine(self, answer: Any) -> bool:
        if type(answer) is not list or len(answer) != 2 or not all(type(part) is bytes for part in answer):
            return False
        key, value = answer
        return bool(key == self._key.encode() and len(value) <= LONGEST + 1)

    def _end(self, why: str, value: bytes | StoreFails | Unreadable) -> None:
        self._stop()
        take, self._take = self._take, None
        if take is not None:
            self._done(self._server, why)
            take(value)
