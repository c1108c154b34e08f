"""What reloads cost callers with kept connections: requests lost, connections closed, and how long answers took.

nginx and HAProxy replace their processes at each; both are asked the way their units do it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from typing import Any

import uvloop

from bench.callers import Callers
from bench.course import Contender, Course, Running
from bench.workloads.base import Outcome, Workload
from bench.workloads.memory import for_each, warm_up

KEPT = 200
NEW = 8
POST = b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
GET = b"GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SIGNALS = {
    "nginx": signal.SIGHUP, "haproxy": signal.SIGUSR2, "gwproxy": signal.SIGHUP, "gwproxy-workers": signal.SIGHUP,
}  # fmt: skip
PAUSE_S = 0.5
ROUTE = '\n[[routes]]\npath = "/reload/{}"\nservice = "origin"\n'


def _contender(contender: Contender) -> Contender:
    """HAProxy reloads only with its master process."""
    if contender.peer.name != "haproxy":
        return contender
    peer = contender.peer
    return replace(
        contender,
        peer=replace(peer, argv=lambda program, ground: [program, "-W", "-f", str(ground.folder / "haproxy.cfg")]),
    )


def _change(running: Running, number: int) -> None:
    """A route more in gwproxy's file; to the others any reload is the same."""
    file = running.child.log.parent / f"{running.contender.peer.name}.toml"
    if file.exists():
        with file.open("a") as text:
            text.write(ROUTE.format(number))


async def _load(running: Running, seconds: float, reloads: int) -> dict[str, Any]:
    callers = Callers(running.port, post=POST, get=GET)
    callers.start(kept=KEPT, new=NEW)
    await asyncio.sleep(seconds)
    before, callers.took_s = sorted(callers.took_s), []
    callers.failures.clear()
    for number in range(reloads):
        _change(running, number)
        os.kill(running.child.pid, SIGNALS[running.contender.peer.name])
        await asyncio.sleep(PAUSE_S)
    during = sorted(callers.took_s)
    await callers.stop()
    return {
        "reloads": reloads,
        "answered": len(during),
        "lost": len(callers.failures),
        "closed": callers.reconnected,
        "p99_before_ms": _p99(before) * 1000,
        "p99_during_ms": _p99(during) * 1000,
    }


def _p99(took: list[float]) -> float:
    return took[int(len(took) * 0.99)] if took else 0.0


def _measure(course: Course, contender: Contender) -> tuple[list[str], dict[str, object]]:
    if contender.peer.name not in SIGNALS:
        return ["–"] * 6, {"left_out": "no signal of its own to reload"}
    running = course.start(_contender(contender))
    try:
        warm_up(running)
        seconds, reloads = (2.0, 5) if course.limits.quick else (5.0, 50)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_load(running, seconds, reloads))
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.child.stop()
    lost, closed, count = found["lost"], found["closed"], found["reloads"]
    ratio = found["p99_during_ms"] / found["p99_before_ms"] if found["p99_before_ms"] else 0.0
    cells = [
        f"{found['answered']:,}", f"{lost / count:.1f}", f"{closed / count:.1f}",
        f"{found['p99_before_ms']:.1f} ms", f"{found['p99_during_ms']:.1f} ms", f"{ratio:.2f}",
    ]  # fmt: skip
    return cells, found


def _run(course: Course) -> Outcome:
    head = ["answered", "lost per reload", "closed politely per reload", "p99 before", "p99 during", "ratio"]
    return for_each(course, head, _measure)


WORKLOAD = Workload(
    "reload", f"{KEPT} kept POST callers, {NEW} that connect anew, while the proxy is reloaded twice a second", _run
)
