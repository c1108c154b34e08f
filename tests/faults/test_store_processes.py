"""Workers whose store ends, or stands still, under load: none of them ends for it, callers are told only what
`on_failure` says, and afterwards all workers count together again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_store import Load
from tests.support.client import Client
from tests.support.command import Runtime
from tests.support.store import StoreServer

Connect = Callable[[int], Awaitable[Client]]

CALLERS = 12
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nX-Key: 1\r\n\r\n"
FILE = """
[gateway]
listen = ["127.0.0.1:0"]
workers = 2
[state]
url = "{url}"
timeout = "500ms"
on_failure = "{policy}"
[[routes]]
path = "/*"
respond = {{ status = 200 }}
limit = {{ {allowed}, by = "header:X-Key" }}
[[routes]]
path = "/last"
respond = {{ status = 200 }}
limit = {{ requests = 30, window = "600s", by = "header:X-Key" }}
"""
MANY, FEW = 'requests = 1000000, window = "600s"', 'requests = 20, window = "1s"'


def all_count(status: Any) -> bool:
    """Whether each worker counts in the store."""
    return all(worker["store_trouble"] == "" for worker in status["workers"])


def failures(status: Any) -> list[int]:
    return [worker["store_failures"] for worker in status["workers"]]


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.ask(LAST)).status for _ in range(count)]


async def callers_of_both(port: int, gwproxy: Runtime, connect: Connect) -> list[Client]:
    """Connections of which each worker has some."""
    clients: list[Client] = []
    shares = [0, 0]
    # A worker that this machine keeps from running for a while is left out meanwhile.
    while min(shares) == 0:
        assert len(clients) < 5 * CALLERS, shares
        for _ in range(CALLERS):
            # One after the other: a burst may well be one worker's, who has woken first.
            clients.append(await connect(port))
            await clients[-1].ask(LAST.replace(b"/last", b"/first"))
        found = await gwproxy.until(lambda found: sum(map(connections, found["workers"])) == len(clients))
        shares = [connections(worker) for worker in found["workers"]]
    return clients


def connections(worker: Any) -> int:
    count: int = worker["connections"]
    return count


async def killed(store: StoreServer) -> None:
    await store.stop()
    await asyncio.sleep(0.5)
    await store.start()


async def frozen(store: StoreServer) -> None:
    store.signal(signal.SIGSTOP)
    await asyncio.sleep(2.0)
    store.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("policy", "allowed", "told"),
    [("deny", MANY, {200, 503}), ("deny", FEW, {200, 429, 503}), ("local", MANY, {200}), ("local", FEW, {200, 429})],
    ids=["deny", "deny-refused-too", "local", "local-refused-too"],
)
async def test_no_worker_ends_with_its_store(
    policy: str, allowed: str, told: set[int], tmp_path: Path, store: StoreServer, gwproxy: Runtime, connect: Connect
) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(FILE.format(url=store.url, policy=policy, allowed=allowed))
    port = await (await gwproxy("run", str(file))).port()
    found = await gwproxy.until_serving(2)
    pids = [worker["pid"] for worker in found["workers"]]
    clients = await callers_of_both(port, gwproxy, connect)
    load = Load()
    # Each caller has a limit of its own.
    callers = [asyncio.create_task(load.caller(client, number)) for number, client in enumerate(clients)]
    for fault in (killed, frozen):
        await load.until_more()
        before = failures(await gwproxy.status())
        await fault(store)

        def over(found: Any, before: list[int] = before) -> bool:
            return all_count(found) and all(map(int.__gt__, failures(found), before))

        await gwproxy.until(over)
    await load.until_more()
    load.enough = True
    await asyncio.gather(*callers)
    assert set(load.statuses) == told
    found = await gwproxy.status()
    assert [worker["pid"] for worker in found["workers"]] == pids
    assert [worker["restarts"] for worker in found["workers"]] == [0, 0]
    some = await asyncio.gather(*(statuses(client, 4) for client in clients))
    flat = [status for one in some for status in one]
    assert (flat.count(200), flat.count(429)) == (30, 4 * len(clients) - 30)
