"""Where a limit is in a shared store, and in which form it is held there."""

from __future__ import annotations

from typing import Final, Protocol

from gwproxy.limits.lease import MOST_AT_ONCE
from gwproxy.limits.spec import SUBWINDOWS, Kind, LimitSpec, beside

CODES: Final[dict[Kind, str]] = {"exact": "e", "hard": "h", "bucket": "b", "day": "d", "month": "m"}


class Spread(Protocol):
    """The store. `spread`: whether keys are in several places (Redis Cluster)."""

    prefix: str
    spread: bool


def place_of(spec: LimitSpec, store: Spread) -> str:
    """Limits of one place are decided together, and "" is the caller's own place."""
    # Failed authentications are decided by themselves: there the address is the caller's own place.
    own = spec.by == "principal" or spec.key.startswith("auth_failures")
    return "" if not store.spread or own else spec.by or spec.key


def lease_of(spec: LimitSpec, store: Spread) -> int:
    """The most permits to take in advance, 0 where it is asked each time."""
    place = place_of(spec, store)
    if spec.requests == 1 and not place:
        return 0
    # A limit in another place than the caller's has a lease in any case: it cannot be decided together.
    return spec.lease or (0 if not place else 1 if spec.by else MOST_AT_ONCE)


def held(spec: LimitSpec, store: Spread) -> LimitSpec:
    """What the store is to hold."""
    return spec.leased() if lease_of(spec, store) else spec


def around(spec: LimitSpec, store: Spread) -> tuple[str, str]:
    """What stands before a caller in the key of a limit as it is `held`, and behind it. The braces say where it is.

    A gateway that holds the limit in another form counts in another key: neither could read what the other writes.
    """
    name = spec.key
    if spec.kind == "hard":
        name = beside(spec.key, f"hard-{spec.part_us * SUBWINDOWS / 1_000_000:.15g}s")
    if not store.spread:
        # One place for all: what is decided together must be in one.
        return f"{store.prefix}:{{l}}:{name}:", ""
    if spec.by:
        return f"{store.prefix}:{{", f"}}:{name}"
    return f"{store.prefix}:{{{spec.key}}}:{name}:", ""


def word_of(spec: LimitSpec, lease: int = 0) -> str:
    """What the script is told of a limit."""
    code = CODES[spec.kind]
    if lease == 0 and not spec.told and spec.kind not in ("day", "month"):
        # Nobody is told when there will be more: the script need not look for it.
        code = code.upper()
    return f"{code} {spec.requests} {spec.window_us} {lease}"
