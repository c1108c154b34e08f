"""The order of a route's steps, as one tuple. A step that a route doesn't ask for is not in its checks at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from gwproxy.exchange import Exchange, Reply
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.steps.authenticate import closed
from gwproxy.steps.protect import under_maintenance

Check = Callable[[Exchange], Reply | Awaitable[Reply | None] | None]
"""None: go on. A Reply: stop. An awaitable of either, where the step must wait."""

Finish = Callable[[Exchange, Reply], None]
"""Adds fields to a reply, on refusals too; no I/O."""


def _maintenance(route: CompiledRoute) -> Check | None:
    return under_maintenance if route.maintenance else None


def _authentication(route: CompiledRoute) -> Check | None:
    return closed if route.closed else None


ORDER: Final[tuple[Callable[[CompiledRoute], Check | None], ...]] = (
    _maintenance,
    _authentication,
)


def checks_of(route: CompiledRoute) -> tuple[Check, ...]:
    """The checks that `route` uses, in order."""
    built = (build(route) for build in ORDER)
    return tuple(check for check in built if check is not None)
