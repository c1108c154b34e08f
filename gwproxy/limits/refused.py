"""Callers that are known to be refused until some time: their store need not be asked."""

from __future__ import annotations

from typing import Final

MOST: Final = 100_000


class Refused:
    """Until when each key of a store is refused, in microseconds of this process. Bounded: the oldest is forgotten."""

    def __init__(self, most: int = MOST) -> None:
        self._until: dict[str, int] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: str, until: int) -> None:
        """Nobody is let in by this limit before `until`."""
        if key not in self._until and len(self._until) >= self._most:
            # A dict remembers in which order it was filled.
            self._until.pop(next(iter(self._until)))
        self._until[key] = until

    def wait(self, key: str, now: int) -> int:
        """How long it is refused still; 0 where that is not known."""
        until = self._until.get(key)
        if until is None:
            return 0
        if until <= now:
            del self._until[key]
            return 0
        return until - now

    def forget(self, keys: list[str]) -> None:
        """They may be let in."""
        for key in keys:
            self._until.pop(key, None)

    def clear(self) -> None:
        """Forget all: limits have changed."""
        self._until.clear()
