"""One limit in this process: what each caller has used of it, in a table that forgets who has not come for a window.

Two generations: who comes is in the young one; after a window the old one is dropped, since nobody in it has come for
at least that long. No timer walks the table, and no list of who came when is kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from itertools import islice
from typing import Final, Generic, Protocol, Self, TypeVar

from gwproxy.limits.spec import LimitSpec

MOST: Final = 1_000_000
"""Callers that a table remembers, at the most."""
TRIES: Final = 16
"""Entries looked at to make room for one."""
ORDERED: Final = 4096
"""The oldest entries, found in one go: a dict passes over all that was taken from its front each time."""
STRANGERS: Final = "\0"
"""Under this name all are counted together for whom there is no room: as one caller, so that nobody gets in early."""

S = TypeVar("S")


class Level(Protocol):
    """A limit, as a decision needs it: `enter` all of them, and where one refuses `leave` those entered before.

    Between `look` or `enter` and what follows it nothing else may be asked of a level; times are microseconds.
    """

    spec: LimitSpec

    def look(self, who: str, now: int) -> int:
        """How long `who` has to wait for a permit; 0 where there is one."""

    def enter(self, who: str, now: int) -> int:
        """Take a permit: what is left then, or minus the time that `who` has to wait for one."""

    def leave(self) -> None:
        """Give the permit back that `enter` has just taken, as if it had never been."""

    def left(self) -> int:
        """Permits that who was looked at has left."""

    def renews(self, now: int) -> int:
        """In which time there will be more permits left than now; 0 where none are used."""


class Table(ABC, Generic[S]):
    """What is known of each caller: a bounded number of entries, each for at least `keep_us` after it was used last."""

    __slots__ = (
        "_crowded_us", "_dying", "_keep_us", "_old", "_order", "_state", "_turn_us", "_who", "_young", "most", "spec",
    )  # fmt: skip

    def __init__(self, spec: LimitSpec, keep_us: int, most: int = MOST) -> None:
        self.spec = spec
        self._keep_us = keep_us
        self.most = most
        self._young: dict[str, S] = {}
        self._old: dict[str, S] = {}
        # Some of the old ones, the oldest last; some may have gone.
        self._order: list[str] = []
        self._dying: list[dict[str, S]] = []
        self._turn_us = 0
        # For so long it matters who came while there was no room.
        self._crowded_us = 0
        self._who = ""
        self._state: S | None = None

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _look(self, who: str, now: int) -> S | None:
        if now >= self._turn_us:
            self._turn(now)
        state = self._remember(who)
        if state is None and len(self) >= self.most and not self._room(now):
            who = STRANGERS
            state = self._remember(who)
            self._crowded_us = now + self._keep_us
        elif state is None and now < self._crowded_us:
            # It may have come as one of those for whom there was no room.
            known = self.known(STRANGERS)
            if known is not None:
                state = self._young[who] = deepcopy(known)
        self._who, self._state = who, state
        return state

    def _remember(self, who: str) -> S | None:
        """What is known of who comes, and with it `who` is a young one."""
        state = self._young.get(who)
        if state is None and self._old:
            state = self._old.pop(who, None)
            if state is not None:
                self._young[who] = state
        return state

    def _turn(self, now: int) -> None:
        dying = [self._old]
        if self._turn_us and now - self._turn_us >= self._keep_us:
            # Nobody has come for so long that the young ones are of no use either.
            dying.append(self._young)
            self._young = {}
        self._old, self._young = self._young, {}
        self._order.clear()
        self._dying += [some for some in dying if some]
        self._turn_us = now + self._keep_us

    def _room(self, now: int) -> bool:
        """Forget somebody, of the older ones, who is not being refused."""
        if not self._old:
            self._old, self._young = self._young, {}
            self._order.clear()
            self._turn_us = now + self._keep_us
        for _ in range(min(TRIES, len(self._old))):
            who, state = self._next_oldest()
            if who != STRANGERS and not self._blocked(state, now):
                return True
            self._young[who] = state
        return False

    def _next_oldest(self) -> tuple[str, S]:
        while True:
            if not self._order:
                self._order = list(islice(self._old, ORDERED))
                self._order.reverse()
            who = self._order.pop()
            state = self._old.pop(who, None)
            if state is not None:
                return who, state

    @abstractmethod
    def _blocked(self, state: S, now: int) -> bool: ...

    def sweep(self, most: int) -> int:
        """Free up to `most` entries that nobody needs any more, and give their number."""
        count = 0
        while self._dying and count < most:
            if self._dying[-1]:
                self._dying[-1].popitem()
                count += 1
            else:
                self._dying.pop()
        return count

    def clear(self) -> None:
        """Forget everybody."""
        self._dying += [some for some in (self._young, self._old) if some]
        self._young, self._old = {}, {}

    def follow(self, before: Self) -> None:
        """Go on from what was known under another limit of the same kind."""
        self._young, self._old = before._young, before._old
        self._crowded_us = before._crowded_us
        # The old ones have been used until the last turn: they stay for a window of this length from there.
        self._turn_us = before._turn_us + max(self._keep_us - before._keep_us, 0)

    def known(self, who: str) -> S | None:
        """What is known of `who`."""
        state = self._young.get(who)
        return state if state is not None else self._old.get(who)

    def apart(self, who: str) -> Self:
        """The same limit, and nothing known but a copy of what is of `who`: to look there changes nothing here."""
        state = self.known(who)
        copy = type(self)(self.spec, self.most)
        copy.follow(self)
        # As old as it is here, so that it is forgotten there when it would be here.
        one, nobody = {} if state is None else {who: deepcopy(state)}, dict[str, S]()
        copy._young, copy._old = (one, nobody) if who in self._young else (nobody, one)
        return copy

    def forget(self, who: str) -> bool:
        """Give `who` all permits back. Whether there was anything."""
        found = self._young.pop(who, None) is not None
        return self._old.pop(who, None) is not None or found
