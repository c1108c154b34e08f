"""Which store `[state] url` means."""

from __future__ import annotations

from urllib.parse import urlsplit

from gwproxy.config.schema import State
from gwproxy.limits.memory import MemoryStore
from gwproxy.limits.redis import RedisStore
from gwproxy.state.address import SPOKEN, place_of

Store = MemoryStore | RedisStore


def store_of(url: str, state: State, processes: int) -> Store:
    """A store, not started yet. `processes` share what is allowed while it fails."""
    if urlsplit(url).scheme not in SPOKEN:
        return MemoryStore()
    return RedisStore(
        place_of(url), prefix=state.prefix, timeout_s=float(state.timeout), on_failure=state.on_failure,
        share=processes,
    )  # fmt: skip
