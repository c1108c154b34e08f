"""Whether a worker takes further connections: its share of the fleet's, and the descriptors it has for them.

At the limit of descriptors the event loop (libuv) would accept and close at once, which callers see as a reset. Before
it, whoever connects waits in the listening queue, and is served when somebody else has gone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
from collections.abc import Callable
from typing import Final

from gwproxy.deadlines import NEVER
from gwproxy.runtime.messages import Fleet
from gwproxy.runtime.worker import Worker

log = logging.getLogger("gwproxy")

SHARE: Final = 1.1
"""Of the fleet's mean: who has more connections than that lets others accept."""
FEW: Final = 16
"""Below this many connections no share is unfair."""
RESERVE: Final = 256
"""Descriptors that are never callers': for services, files, and the worker's own. A quarter where there are few."""


def reserve_of(allowed: int) -> int:
    """How many of these are never callers'."""
    return min(RESERVE, allowed // 4)


def allow_descriptors(connections: int) -> int:
    """Allow this process, and those it will start, as many descriptors as it may have; how many those are.

    The log tells where a worker cannot have `connections`.
    """
    before, allowed = _raised()
    if before != allowed:
        log.info("%d descriptors a process, raised from %d", allowed, before)
    if connections + reserve_of(allowed) > allowed:
        log.warning(
            "gateway.max_connections of %d cannot be had with %d descriptors (LimitNOFILE, ulimit -n): a worker "
            "stops accepting %d before that, and goes on when callers leave",
            connections, allowed, reserve_of(allowed),
        )  # fmt: skip
    return allowed


def _raised() -> tuple[int, int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # A sandbox may forbid the call: then it stays as it is.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Intake:
    """Of `worker`. `later` is called when a connection too many has come, and shall have `balance` awaited soon."""

    def __init__(self, worker: Worker, later: Callable[[], None]) -> None:
        self._server, self._accepting, self._live = worker.server, worker.accepting, worker.live
        self._later = later
        self.fleet = Fleet(0.0, False)
        self.short = False
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._reserve = reserve_of(allowed)
        self._callers = allowed - len(os.listdir("/proc/self/fd"))
        self._server.full = self._full
        self._server.full_at = self._room - 1

    @property
    def _room(self) -> int:
        """Callers' connections that there are descriptors for, as many as services have now."""
        services = sum(len(pool.connections) + pool.opening for pool in self._live.all_pools)
        return max(self._callers - self._reserve - services, 1)

    def _full(self) -> None:
        """A connection more than this worker's share has come, or than it can have."""
        self._server.full_at = NEVER
        if len(self._server.connections) >= self._room:
            # Now, and not in the next turn: some versions of libuv accept all that wait before they return.
            self._accepting.pause()
            self.short = True
        self._later()

    async def balance(self) -> bool:
        """Begin or cease to accept. Whether that has changed anything.

        A worker that has its share lets others accept, never when there are none. One that is short of descriptors
        begins again when half the reserve has come free: else every caller who leaves would open and close the door.
        """
        server, accepting = self._server, self._accepting
        own, share, room = len(server.connections), max(self.fleet.mean * SHARE + 2, FEW), self._room
        was = accepting.on
        self.short = own >= room if not self.short else own > max(room - self._reserve // 2, 0)
        if self.short or (own > share and self.fleet.others):
            accepting.pause()
        else:
            await accepting.resume()
        if accepting.on:
            # Who alone accepts can't stop, but can say so, and is told when another does.
            server.full_at = min(max(share, own + own // 16 + 2), room - 1)
        return accepting.on != was
