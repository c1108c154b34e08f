"""What a store knows of one caller, for who operates the gateway."""

from __future__ import annotations

from msgspec import Struct

from gwproxy.limits.spec import Kind


class StoreUnavailable(Exception):
    """The store cannot be asked; the text says why."""


class Known(Struct, frozen=True):
    """One limit that has counted a caller: `left` of `requests` are there, the next in `wait_us` where none is.

    `key` names it in the store, `name` to callers; `window_us` is as in LimitSpec.
    """

    key: str
    name: str
    kind: Kind
    requests: int
    window_us: int
    left: int
    wait_us: int
