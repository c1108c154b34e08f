"""The keys of one issuer, kept fresh.

The data path reads `keys`, which is there or not. Fetches go on beside it: by the clock, and when a token names a key
that is not known, which is how issuers change their keys. As anybody can send such a token, one fetch serves all who
wait, and `min_interval_s` must have passed since the last one began, whoever caused it and however it went. Until then
an unknown key is unknown: nothing has to be remembered of it.

Old keys go on while an issuer is down or answers with what is no key set; only a good answer takes a key away.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

from gwproxy.auth.issuers.get import FetchFailed, get, within
from gwproxy.auth.issuers.places import Place
from gwproxy.auth.issuers.times import Times
from gwproxy.auth.keys.key_set import KeySet, some_of
from gwproxy.auth.source import Watcher

log = logging.getLogger("gwproxy")


@dataclass(frozen=True, slots=True)
class SourceState:
    """For `gwproxy status`. `fetched_ago_s`: since keys were had last; `trouble`: why the last fetch failed."""

    url: str
    kids: tuple[str | None, ...]
    refused: tuple[str, ...]
    fetched_ago_s: float | None
    trouble: str
    fetches: int
    failures: int


class KeySource:
    """`keys` is None until they were had once. `generation` counts the changes of it: what was decided by the keys of
    another generation is to be decided anew.
    """

    def __init__(
        self,
        place: Place,
        believed: Collection[str],
        tls: ssl.SSLContext,
        times: Times | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.keys: KeySet | None = None
        self.generation = 0
        self._place: Final = place
        self._believed: Final = frozenset(believed)
        self._tls: Final = tls
        self._times: Final = times or Times()
        self._clock: Final = clock
        self._chance: Final = chance
        self._fetching: asyncio.Task[None] | None = None
        # Who waits for the fetch waits for this, which is there exactly as long as `_fetching`.
        self._over: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began_at = 0.0
        self._had_at: float | None = None
        self._trouble = ""
        self._fetches = 0
        self._failures = 0
        self._closed = False
        self._watchers: WeakSet[Watcher] = WeakSet()

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` when keys change, for as long as anybody else holds it."""
        self._watchers.add(watcher)

    def start(self) -> None:
        """Begin to fetch, and go on until `close`. Needs a running loop."""
        if not self._closed and self._fetching is None and self._timer is None:
            self._begin()

    def adopt(self, other: KeySource) -> None:
        """Go on with what another has, who asks the same issuer in the same way but for its times."""
        self.keys, self._had_at = other.keys, other._had_at

    async def retire(self) -> None:
        """Begin nothing new; what is under way ends by itself, since requests of the last configuration wait for it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        fetching = self._fetching
        if fetching is not None:
            await asyncio.wait([fetching])

    async def close(self) -> None:
        """End what is under way; who waits gets what there is."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        fetching = self._fetching
        if fetching is not None:
            fetching.cancel()
            await asyncio.wait([fetching])

    async def refreshed(self, kid: str | None) -> KeySet | None:
        """The keys once a fetch that may bring `kid` is over; at once where they know it, or where none may begin.

        It takes `timeout_s` at the most. A driven coroutine can await it (drive.py): it waits for a Future, and who is
        cancelled while waiting takes nothing from others.
        """
        if self.keys is not None and self.keys.knows(kid):
            return self.keys
        over = self._over if self._over is not None else self._asked()
        if over is not None:
            await asyncio.shield(over)
        return self.keys

    @property
    def failures(self) -> int:
        """How many fetches have failed since the last that did not."""
        return self._failures

    def state(self) -> SourceState:
        """How it stands."""
        keys = self.keys
        return SourceState(
            url=self._place.url.partition("?")[0],
            kids=tuple(key.kid for key in keys.keys) if keys else (),
            refused=keys.refused if keys else (),
            fetched_ago_s=None if self._had_at is None else self._clock() - self._had_at,
            trouble=self._trouble,
            fetches=self._fetches,
            failures=self._failures,
        )

    def _asked(self) -> asyncio.Future[None] | None:
        """Begin a fetch because of a token, where that is allowed. Without any keys the pauses are short already."""
        if self._closed or self.keys is None or self._clock() - self._began_at < self._times.min_interval_s:
            return None
        return self._begin()

    def _begin(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._began_at = self._clock()
        self._fetches += 1
        self._over = loop.create_future()
        self._fetching = loop.create_task(self._fetch())
        self._fetching.add_done_callback(self._ended)
        return self._over

    async def _fetch(self) -> None:
        try:
            text = await within(self._times.timeout_s, self._place.ask(self._get))
            found = KeySet.parse(text, self._believed)
        except (FetchFailed, ValueError) as error:
            self._failed(str(error))
        else:
            self._found(found)

    async def _get(self, url: str) -> bytes:
        return await get(url, self._tls)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # A fault of ours. The next fetch may do without it, and who waits is not to wait for ever.
            log.error("keys of %s: the fetch broke", self.state().url, exc_info=error)
            self._failures += 1
        over, self._fetching, self._over = self._over, None, None
        if over is not None and not over.done():
            over.set_result(None)
        if not self._closed:
            pause_s = self._times.pause_s(self._failures, self.keys is not None, self._chance())
            self._timer = task.get_loop().call_later(pause_s, self._begin)

    def _found(self, found: KeySet) -> None:
        url = self.state().url
        if self._failures:
            log.info("keys of %s: had again, after %d failures", url, self._failures)
        self._failures, self._trouble, self._had_at = 0, "", self._clock()
        old = self.keys
        if found.refused and (old is None or old.refused != found.refused):
            # Not a warning: many an issuer has keys for encryption in the same set.
            log.info("keys of %s: not used: %s", url, some_of(found.refused))
        if old is None or old != found:
            self.generation += 1
            for watcher in tuple(self._watchers):
                watcher.forget()
            log.info("keys of %s: %d, generation %d", url, len(found.keys), self.generation)
        elif old.refused == found.refused:
            return
        self.keys = found

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._trouble = why
        if self._failures == 1:
            # Once an outage; what comes after is in the state.
            going_on = "those that it gave before go on" if self.keys is not None else "there are none"
            log.warning("keys of %s: %s; %s", self.state().url, why, going_on)
