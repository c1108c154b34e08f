"""What limits cost: `python -m bench.limits [ROUNDS]`. Adjacent rounds, medians of ratios.

Five kinds of round: a plain route; three limits in memory; the same in Redis on the load's core; limits there of which
leases are taken; a caller who is refused each time. Then checks a second of one process: ours against redis-py with one
call for each, 64 callers.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import redis.asyncio as redis_py
import uvloop

from bench import wrk
from bench.course import Contender, Course, Limits
from bench.peers import KNOWN, ROOT, start_store
from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.places import word_of
from gwproxy.limits.redis import RedisStore
from gwproxy.limits.script import SCRIPT
from gwproxy.limits.spec import LimitSpec
from gwproxy.state.address import Address
from gwproxy.wire.request import FieldsOfRequest, RequestHead

CALLERS: Final = 64
SECONDS: Final = 2.0
SPECS: Final = (
    LimitSpec("global", "global", "hard", 10**9, 60_000_000),
    LimitSpec("service:x", "x", "hard", 10**9, 60_000_000),
    LimitSpec("limit:x.default", "default", "exact", 100_000, 100_000, "principal", told=True),
)
ROUNDS: Final = (("plain", "gwproxy", "/small"), ("memory", "gwproxy-limits", "/small"),
                 ("redis", "gwproxy-redis", "/small"), ("leased", "gwproxy-leased", "/small"),
                 ("refused", "gwproxy-limits", "/refused"))  # fmt: skip


def on_the_wire(rounds: int) -> None:
    """Print the ratios of throughput."""
    names = dict.fromkeys(peer for _, peer, _ in ROUNDS)
    contenders = [Contender(name, KNOWN[name], sys.executable, ROOT) for name in names]
    with Course(contenders, Limits(rounds, 1.0, 2.0), print) as course, ExitStack() as stack:
        ports = {running.name: running.port for running in course.proven(stack)}
        found: dict[str, list[float]] = {name: [] for name, _, _ in ROUNDS}
        for _ in range(rounds + 1):
            for name, peer, path in ROUNDS:
                found[name].append(wrk.run(wrk.Load(path, CALLERS), ports[peer], 1).rate)
    for name, beside in (("memory", "plain"), ("redis", "memory"), ("leased", "memory"), ("refused", "plain")):
        # The first of each is the warm-up.
        ratios = [a / b for a, b in zip(found[name][1:], found[beside][1:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        rate = statistics.median(found[name][1:])
        print(f"{name:8} {rate:8,.0f}/s  {middle:.2f} x {beside} ({low:.2f} to {high:.2f})")


async def checks(count: Callable[[int], Awaitable[Any]]) -> float:
    """How often `count` comes back in a second, for 64 callers at once."""
    done, end = 0, time.perf_counter() + SECONDS

    async def caller(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await count(number)
            done += 1

    await asyncio.gather(*map(caller, range(CALLERS)))
    return done / SECONDS


async def ours(path: Path) -> float:
    """Checks a second of the gateway's store."""
    store = RedisStore(Address(path=str(path)), prefix="a", timeout_s=5.0)
    await store.start()
    plan = store.plan(SPECS, 64)
    store.settle_in()
    head = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)
    loop = asyncio.get_running_loop()

    class Waits:
        def __init__(self) -> None:
            self.future: asyncio.Future[Any] = loop.create_future()

        def resume(self, value: Any, error: BaseException | None) -> None:
            self.future.set_result(value)

    async def count(number: int) -> None:
        pending: Any = plan.check(Exchange(head, Sender(f"10.0.0.{number}"), 0.0))
        waits = Waits()
        pending.attach(waits)
        await waits.future

    rate = await checks(count)
    await store.close()
    if store.failures:
        raise SystemExit(f"bench: the store has failed: {store.trouble}")
    return rate


async def theirs(path: Path) -> float:
    """Checks a second of redis-py, one EVALSHA for each, on as many connections as callers."""
    pool = redis_py.BlockingConnectionPool(
        connection_class=redis_py.UnixDomainSocketConnection, path=str(path), max_connections=CALLERS
    )
    client = redis_py.Redis(connection_pool=pool)
    sha = await client.script_load(SCRIPT)
    word = " ".join(map(word_of, SPECS))

    async def count(number: int) -> None:
        keys = ("b:{l}:global:", "b:{l}:service:x:", f"b:{{l}}:limit:x.default:a:{number}")
        await client.evalsha(sha, len(keys), *keys, 0, 0, word)

    rate = await checks(count)
    await client.aclose()
    return rate


async def of_one_process(rounds: int) -> None:
    """Print checks a second."""
    with tempfile.TemporaryDirectory(prefix="gw") as folder:
        store = start_store(Path(folder))
        try:
            pairs = [(await ours(Path(folder, "store")), await theirs(Path(folder, "store"))) for _ in range(rounds)]
        finally:
            store.stop()
    ratio = statistics.median(a / b for a, b in pairs)
    own, other = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    print(f"checks   {own:8,.0f}/s  {ratio:.2f} x redis-py ({other:,.0f}/s)")


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 9
    on_the_wire(rounds)
    uvloop.run(of_one_process(min(rounds, 5)))


if __name__ == "__main__":
    main()
