"""Keys and tenants in the store: that it keeps them, and that what is said of them has an effect."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.auth import ApiKey
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.config.tenants import Tenancy

PASSING = ("memory:", "embedded:")
"""Stores that end with the gateway."""


def durable(loaded: Loaded) -> Iterator[Problem]:
    """What must outlast a restart has a store that does."""
    url = loaded.config.state.url
    if url and not url.startswith(PASSING):
        # Whether it is one at all is another's to say.
        return
    for key, one in _all(loaded):
        if one.store:
            yield loaded.problem(
                "store_not_durable", (*key, "store"),
                found=f"[state] url {loaded.shown_url(('state', 'url'), url) if url else 'left out'}",
                expected="a redis server, sentinels or a cluster", hint="or write keys and tenants into the file",
            )  # fmt: skip


def without_store(loaded: Loaded) -> Iterator[Problem]:
    """Nothing is kept of a store that is not asked."""
    for key, one in _all(loaded):
        where = (*key, "cache")
        if not one.store and where in loaded.places and not loaded.unsound.touches((*key, "store")):
            yield loaded.problem("no_effect", where, hint="only what a store has is kept: write store = true")


def default_plan(loaded: Loaded) -> Iterator[Problem]:
    """Nobody checks the plans of records before they are read: there must be one for who names none that exists."""
    config = loaded.config
    if config.tenancy is not None and config.tenancy.store and config.plans and config.tenancy.default_plan is None:
        hint = "name a default_plan: a tenant of the store may name a plan that does not exist"
        yield loaded.problem("tenancy_incomplete", ("tenancy", "store"), hint=hint)


def _all(loaded: Loaded) -> Iterator[tuple[Key, ApiKey | Tenancy]]:
    for name, method in loaded.config.auth.methods.items():
        if isinstance(method, ApiKey):
            yield ("auth", name), method
    if loaded.config.tenancy is not None:
        yield ("tenancy",), loaded.config.tenancy
