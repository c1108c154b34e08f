"""Waiting for what tells nobody: a condition that is looked at again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.wire import TIMEOUT_S


async def until(condition: Callable[[], Any], within_s: float = TIMEOUT_S, what: str = "") -> float:
    """Returns once `condition` holds, with the seconds it took; fails the test when it never does."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while not condition():  # noqa: ASYNC110 (the thing looked at has no event)
        assert loop.time() - started < within_s, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(0.002)
    return loop.time() - started


async def settled(value: Callable[[], int], still_s: float = 0.3, within_s: float = TIMEOUT_S) -> int:
    """The value once it hasn't changed for `still_s`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    last, since = value(), loop.time()
    while loop.time() - since < still_s:
        assert loop.time() < end, f"still changing after {within_s} s"
        await asyncio.sleep(0.01)
        if (now := value()) != last:
            last, since = now, loop.time()
    return last
