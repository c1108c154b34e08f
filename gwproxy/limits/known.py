"""What a store knows of one caller."""

from __future__ import annotations

from msgspec import Struct

from gwproxy.limits.spec import Kind


class StoreUnavailable(Exception):
    """The store cannot be asked; the text says why."""


class Known(Struct, frozen=True):
    """A limit that knows a caller: `left` of `requests`, and in which time there is a permit where none is left."""

    key: str
    name: str
    kind: Kind
    requests: int
    window_us: int
    left: int
    wait_us: int
