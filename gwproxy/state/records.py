"""Records of a store that outlasts the gateway, as far as requests have asked for them lately.

A record is asked for by its name, once for all who wait for it, and kept for `cache_s`; that there is none is kept for
a shorter time, and apart, so that a flood of unknown names drives no known one out. What is kept goes on while the
store fails, until its time is over; what would have to be asked for then is not known, and nobody waits for it.

Invariant: a record is believed for at most `cache_s` after the moment when the store was asked for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

log = logging.getLogger("gwproxy")

T = TypeVar("T")

LONGEST: Final = 8192
"""Bytes of a record."""
MOST: Final = 10_000
"""Records that are kept, and as many names that have none."""
NEGATIVE_S: Final = 5.0
"""For how long it is kept that there is no record."""
MOST_TOLD: Final = 1000
"""Names that the log has told of, so that each is told once."""


class StoreFails(Exception):
    """The store gives no answer that helps; the text says why."""


class Unreadable(Exception):
    """There is something that is no record; the text says why, and has nothing of what stands in it."""


@dataclass(frozen=True, slots=True)
class RecordsSpec:
    """Records of one kind. `family` is what their keys in the store begin with, behind the prefix."""

    family: str
    cache_s: float


def key_of(prefix: str, family: str, name: str) -> str:
    """Where a record is in the store. In a cluster each is wherever its own name says."""
    return f"{prefix}:{{{family}:{name}}}"


Take = Callable[[bytes | StoreFails | Unreadable], None]
"""Gets what stands under a key (at most one byte more than LONGEST), b"" for nothing."""


class Reader(Protocol):
    """The store."""

    def read(self, key: str, take: Take) -> None:
        """Ask for what stands under `key`; `take` is called once, perhaps at once."""


class Kept(Generic[T]):
    """What is known of one name, from `since` until `until` by the wall clock. `record` is None where there is none
    that helps, and `why` says so; `made` and `by` are for who makes something of it.
    """

    __slots__ = ("by", "made", "record", "since", "until", "why")

    def __init__(self, record: T | None, why: str, since: float, until: float) -> None:
        self.record = record
        self.why = why
        self.since = since
        self.until = until
        self.made: Any = None
        self.by: object = None


class Lookup(Protocol[T]):
    """Where records are looked up: here, or nowhere for who only explains a file."""

    def kept(self, name: str, now: float) -> Kept[T] | None:
        """What is known of a name; None where the store has to be asked."""

    async def asked(self, name: str) -> Kept[T]:
        """What the store knows of it. Raises StoreFails."""


class Records(Generic[T]):
    """`read` makes a record of its bytes, or raises ValueError. `clock` is the wall's, in seconds.

    `failures` counts look-ups that the store gave no answer to.
    """

    def __init__(
        self, reader: Reader, prefix: str, spec: RecordsSpec, read: Callable[[bytes], T],
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.failures = 0
        self._reader = reader
        self._prefix = prefix
        self._spec = spec
        self._read = read
        self._clock = clock
        self._known: dict[str, Kept[T]] = {}
        self._unknown: dict[str, Kept[T]] = {}
        self._asking: dict[str, asyncio.Future[Kept[T] | StoreFails]] = {}
        self._told: set[str] = set()

    def kept(self, name: str, now: float) -> Kept[T] | None:
        """As Lookup's. A clock that was put back makes what is kept count as over."""
        kept = self._known.get(name) or self._unknown.get(name)
        return kept if kept is not None and kept.since <= now < kept.until else None

    async def asked(self, name: str) -> Kept[T]:
        """As Lookup's. Who is cancelled while waiting takes nothing from others."""
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.get_running_loop().create_future()
            take = partial(self._take, name, self._clock())
            self._reader.read(key_of(self._prefix, self._spec.family, name), take)
        found = await asyncio.shield(asking)
        if isinstance(found, StoreFails):
            raise StoreFails(str(found))
        return found

    def _take(self, name: str, asked_at: float, answer: bytes | StoreFails | Unreadable) -> None:
        if isinstance(answer, StoreFails):
            self.failures += 1
            # As a value: where nobody waits any more, nobody would retrieve an exception.
            self._asking.pop(name).set_result(answer)
        else:
            self._asking.pop(name).set_result(self._keep(name, asked_at, answer))

    def _keep(self, name: str, since: float, answer: bytes | Unreadable) -> Kept[T]:
        record, why = None, "unknown"
        if answer:
            try:
                record = self._record(answer)
            except Unreadable as error:
                why = "its record cannot be read"
                self._tell(name, str(error))
        self._known.pop(name, None)
        self._unknown.pop(name, None)
        cache_s = self._spec.cache_s
        if record is None:
            kept = Kept[T](None, why, since, since + min(cache_s, NEGATIVE_S))
            _put(self._unknown, name, kept)
        else:
            kept = Kept(record, "", since, since + cache_s)
            _put(self._known, name, kept)
        return kept

    def _record(self, answer: bytes | Unreadable) -> T:
        if isinstance(answer, Unreadable):
            raise answer
        if len(answer) > LONGEST:
            raise Unreadable(f"it is longer than {LONGEST} bytes")
        try:
            return self._read(answer)
        except ValueError as error:
            raise Unreadable(str(error)) from None

    def _tell(self, name: str, why: str) -> None:
        """Once: who is asked for by a broken record may ask a thousand times a second."""
        if name in self._told:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told.add(name)
        log.error("the record %s cannot be read: %s", key_of(self._prefix, self._spec.family, name), why)


def _put(held: dict[str, Kept[T]], name: str, kept: Kept[T]) -> None:
    """The one that was read first makes room."""
    while len(held) >= MOST:
        del held[next(iter(held))]
    held[name] = kept
