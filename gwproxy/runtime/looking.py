"""What a worker tells of one caller, when the supervisor asks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from gwproxy.limits.known import Known, StoreUnavailable
from gwproxy.limits.store import Store
from gwproxy.runtime.messages import Look, Seen, encode

log = logging.getLogger("gwproxy")

ROOM: Final = 48 * 1024
"""For limits in one packet of 64 KiB: the names of routes may be long."""
LONGEST: Final = 500
"""Of a reason."""


async def seen(store: Store | None, asked: Look) -> Seen:
    """The answer, whatever the store does; None is a worker that has none yet."""
    if store is None:
        return Seen(asked.number, error="the worker does not serve yet")
    try:
        if asked.reset:
            return Seen(asked.number, forgotten=await store.forget(asked.who))
        known = await store.known(asked.who)
    except StoreUnavailable as error:
        return Seen(asked.number, error=str(error)[:LONGEST])
    except Exception as error:
        log.exception("a caller could not be looked at")
        return Seen(asked.number, error=f"a mistake of gwproxy's own: {error!r}"[:LONGEST])
    told = fitting(known)
    return Seen(asked.number, told, more=len(known) - len(told))


def fitting(known: Iterable[Known]) -> tuple[Known, ...]:
    """The first of them, as many as one packet has room for."""
    told, room = [], ROOM
    for each in known:
        room -= len(encode(each))
        if room < 0:
            break
        told.append(each)
    return tuple(told)
