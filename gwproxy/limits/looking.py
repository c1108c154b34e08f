"""What a store knows of one caller, and how it is made to forget: for who operates the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import hiredis

from gwproxy.limits.known import Known, StoreUnavailable
from gwproxy.limits.lease import Leases
from gwproxy.limits.places import around, held, word_of
from gwproxy.limits.redis_plan import Store
from gwproxy.limits.refused import Refused
from gwproxy.limits.script import SCRIPT
from gwproxy.limits.server import Server
from gwproxy.limits.spec import LimitSpec
from gwproxy.state.link import LinkLost

AT_ONCE: Final = 50
"""Limits looked at in one call."""
ONLY_LOOK: Final = -1


class Looked(Store, Protocol):
    """The store."""

    leases: Leases
    refused: Refused

    def server_for(self, key: str) -> Server:
        """Who has a key."""

    async def run_for(self, key: str, *command: Any) -> Any:
        """A command by who has `key`. Raises LinkLost, hiredis.ReplyError, TimeoutError."""


class Looking:
    """Knows all limits that are in force."""

    def __init__(self, store: Looked) -> None:
        self._store = store
        self._specs: dict[str, LimitSpec] = {}
        self._next: dict[str, LimitSpec] = {}

    def begin(self) -> None:
        """Another configuration is bound from here."""
        self._next = {}

    def add(self, specs: Sequence[LimitSpec]) -> None:
        """Limits of a route."""
        for spec in specs:
            if spec.by:
                self._next[spec.key] = held(spec, self._store)

    def settle_in(self) -> None:
        """What was bound last is in force."""
        self._specs = self._next

    def _keys(self, who: str) -> dict[str, LimitSpec]:
        ends = ((spec, *around(spec, self._store)) for spec in self._specs.values())
        return {before + who + behind: spec for spec, before, behind in ends}

    async def known(self, who: str) -> list[Known]:
        """The limits that know `who`. Raises StoreUnavailable."""
        found = []
        for keys in self._together(self._keys(who)):
            numbers = await self._ask(*_look(list(keys.items())))
            for at, spec in enumerate(keys.values()):
                left, renews = numbers[4 + 2 * at], numbers[5 + 2 * at]
                if left < spec.requests:
                    known = (spec.key, spec.name, spec.kind, spec.requests, spec.window_us, left)
                    found.append(Known(*known, wait_us=0 if left else renews))
        return sorted(found, key=lambda one: one.key)

    async def forget(self, who: str) -> int:
        """Give `who` all permits back: of how many limits. Raises StoreUnavailable."""
        every = self._keys(who)
        count = 0
        for keys in self._together(every):
            count += await self._ask("UNLINK", *keys)
        self._store.refused.forget(list(every))
        self._store.leases.forget(list(every))
        return count

    def _together(self, keys: dict[str, LimitSpec]) -> list[dict[str, LimitSpec]]:
        """All keys of a caller have one tag."""
        pairs = list(keys.items())
        return [dict(pairs[at : at + AT_ONCE]) for at in range(0, len(pairs), AT_ONCE)]

    async def _ask(self, verb: str, *words: Any) -> Any:
        key = words[0] if verb == "UNLINK" else words[2]
        server = self._store.server_for(key)
        if server.trouble:
            raise StoreUnavailable(f"the store of limits fails: {server.trouble}")
        try:
            return await self._store.run_for(key, verb, *words)
        except (LinkLost, TimeoutError, hiredis.ReplyError) as error:
            raise StoreUnavailable(f"the store of limits fails: {error or 'no answer in time'}") from None


def _look(pairs: list[tuple[str, LimitSpec]]) -> tuple[Any, ...]:
    word = " ".join(word_of(spec, ONLY_LOOK) for _, spec in pairs)
    return "EVAL", SCRIPT, len(pairs), *(key for key, _ in pairs), 0, 0, word
