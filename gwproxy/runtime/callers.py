"""What the limits know of one caller: asked of the workers, whose stores have counted it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from gwproxy.limits.caller import who_is
from gwproxy.limits.known import Known
from gwproxy.runtime.control import Unanswerable
from gwproxy.runtime.member import Member
from gwproxy.runtime.messages import Look, Seen

log = logging.getLogger("gwproxy")

LOOK_S: Final = 5.0
"""A worker that has not told by then will not be waited for."""


class Shown(Struct, frozen=True, kw_only=True):
    """`who` is the name under which a caller is counted, `limits` those that know it, and `more` how many others."""

    who: str
    limits: tuple[Known, ...]
    more: int


class Reset(Struct, frozen=True, kw_only=True):
    """The caller `who` has all permits back, of so many `limits`."""

    who: str
    limits: int


class Callers:
    """`serving` are the workers that can be asked, the oldest first; `ipv6_prefix` is what the file in force says."""

    def __init__(self, serving: Callable[[], Sequence[Member]], ipv6_prefix: Callable[[], int]) -> None:
        self._serving = serving
        self._ipv6_prefix = ipv6_prefix
        # An earlier supervisor's question may be answered yet: no number comes twice while the machine runs.
        self._numbers = itertools.count(time.monotonic_ns())

    async def show(self, principal: str) -> Shown:
        """What is left to a caller, as one worker tells it: each would tell the same. Raises Unanswerable."""
        who = self._name(principal)
        # The newest first: one that an upgrade replaces may not know how to tell.
        for member in sorted(self._serving(), key=lambda one: (one.fresh, one.began), reverse=True):
            seen = await self._answer_of(member, Look(next(self._numbers), who))
            if seen is not None:
                return Shown(who=who, limits=seen.known, more=seen.more)
        raise Unanswerable("the workers that were asked have ended: ask again")

    async def reset(self, principal: str) -> Reset:
        """Give a caller all permits back. Every worker is told: each remembers for itself who is refused.

        Raises Unanswerable where one does not say that it has; others may have.
        """
        who = self._name(principal)
        looks = [self._answer_of(member, Look(next(self._numbers), who, reset=True)) for member in self._serving()]
        found = await asyncio.gather(*looks, return_exceptions=True)
        failed = [each for each in found if isinstance(each, BaseException)]
        if failed:
            raise failed[0]
        # Who has ended has forgotten everybody.
        counts = [each.forgotten for each in found if isinstance(each, Seen)]
        if not counts:
            raise Unanswerable("the workers that were asked have ended: ask again")
        log.info("a caller was given all permits back (limits: %d)", max(counts))
        return Reset(who=who, limits=max(counts))

    def _name(self, principal: str) -> str:
        if not self._serving():
            raise Unanswerable("no worker serves: ask again when one does")
        try:
            return who_is(principal, self._ipv6_prefix())
        except ValueError as error:
            raise Unanswerable(str(error)) from None

    async def _answer_of(self, member: Member, look: Look) -> Seen | None:
        """What a worker tells; None where it ends meanwhile."""
        try:
            async with asyncio.timeout(LOOK_S):
                seen = await member.look(look)
        except TimeoutError:
            raise Unanswerable(f"{member!r} said nothing within {LOOK_S:g} s") from None
        if seen is not None and seen.error:
            raise Unanswerable(f"{member!r}: {seen.error}")
        return seen
