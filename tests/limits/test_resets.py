"""Callers who get all their permits back, and limits that change, while permits are held that were taken in advance."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwproxy.config.load import loads
from gwproxy.limits.lease import Lease
from gwproxy.limits.script import SCRIPT
from gwproxy.runtime.looking import seen
from gwproxy.runtime.messages import Look, Seen
from gwproxy.state.slots import slot_of
from tests.support.client import Client
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

FILE = """
[state]
url = "{url}"
timeout = "20s"
on_failure = "deny"
{limits}
[services.origin]
url = "${{ORIGIN}}"
{service}
[[routes]]
path = "/*"
service = "origin"
"""
ADDRESS = "a:127.0.0.1"
HEADER = "h:x-key:k1"
GET = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Key: k1\r\n\r\n"


def text(url: str, *, limits: str = "", service: str = "") -> str:
    return FILE.format(url=url, limits=limits, service=service)


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.ask(GET)).status for _ in range(count)]


async def left_of(client: Client) -> int:
    """What one more request is told to be left after it."""
    answer = await client.ask(GET)
    assert answer.status == 200
    return int(answer.header("x-ratelimit-remaining") or -1)


def held(gw: Gateway, key: str) -> Lease:
    """The lease of a key, which has permits."""
    lease: Lease | None = gw.worker.live.limits.leases.get(key)
    assert lease is not None
    assert lease.left > 0
    return lease


async def look(gw: Gateway, who: str) -> dict[str, int]:
    """What is told of a caller: what it has left, by the names of its limits."""
    found = await seen(gw.worker.live.limits, Look(1, who))
    assert (found.number, found.error, found.more) == (1, "", 0)
    return {one.name: one.left for one in found.known}


async def reset(gw: Gateway, who: str) -> int:
    """How many limits have forgotten a caller."""
    found = await seen(gw.worker.live.limits, Look(2, who, reset=True))
    assert found == Seen(2, forgotten=found.forgotten)
    return found.forgotten


async def used(store: StoreServer, key: str, requests: int) -> int:
    """What the store has counted of a limit with a lease, of ten minutes."""
    answer = await store.ask("EVAL", SCRIPT, 1, key, 0, 0, f"e {requests} 601000000 -1")
    return requests - int(answer[4])


# -- a caller who gets all back

LEASED = '[services.origin.rate_limits]\ndefault = { requests = 50, window = "600s", lease = 10, burst = 40 }'


async def test_after_a_reset_all_permits_are_there_and_none_that_was_held_is_spent(
    store: StoreServer, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(store.url, service=LEASED), origin)
    client = await gw.connect()
    assert await statuses(client, 2) == [200] * 2
    held(gw, f"gw:{{l}}:limit:origin.default:{ADDRESS}")
    held(gw, f"gw:{{l}}:limit:origin.default:burst:{ADDRESS}")
    assert set(await look(gw, ADDRESS)) == {"default", "default-burst"}
    assert await reset(gw, ADDRESS) == 2
    assert await look(gw, ADDRESS) == {}
    assert len(gw.worker.live.limits.leases) == 0
    # Of the burst, which is smaller by what its rate gives while permits are held.
    assert await left_of(client) == 39 - 1
    assert (await look(gw, ADDRESS))["default"] == 50 - 5


async def test_who_is_refused_is_let_in_again_after_a_reset(store: StoreServer, origin: Origin, gateway: Start) -> None:
    service = '[services.origin.rate_limits]\ndefault = { requests = 3, window = "600s", lease = 2 }'
    gw = await gateway(text(store.url, service=service), origin)
    client = await gw.connect()
    for _ in range(3):
        assert await statuses(client, 5) == [200] * 3 + [429] * 2
        assert await look(gw, ADDRESS) == {"default": 0}
        assert await reset(gw, ADDRESS) == 1
        assert await look(gw, ADDRESS) == {}
    assert await reset(gw, ADDRESS) == 0


async def test_reset_of_one_caller_gives_others_nothing(store: StoreServer, origin: Origin, gateway: Start) -> None:
    service = """
limit = { requests = 100, window = "600s", lease = 10 }
[services.origin.rate_limits]
default = { requests = 2, window = "600s", by = "header:X-Key" }
"""
    gw = await gateway(text(store.url, service=service), origin)
    client = await gw.connect()
    assert await statuses(client, 3) == [200] * 2 + [429]
    assert await reset(gw, "h:x-key:other") == 0
    assert await reset(gw, ADDRESS) == 0
    assert await statuses(client, 1) == [429]
    assert await reset(gw, HEADER) == 1
    everybodys = gw.worker.live.limits.leases.get("gw:{l}:service:origin:")
    assert await statuses(client, 3) == [200] * 2 + [429]
    # Everybody's is nobody's own: what is held of it stays, and what was used of it.
    assert gw.worker.live.limits.leases.get("gw:{l}:service:origin:") is everybodys
    assert await used(store, "gw:{l}:service:origin:", 100) - everybodys.left == 4


CLUSTERED = {
    "limits": '[tiers.anonymous]\nrequests = 40\nwindow = "600s"\nlease = 5\nburst = 2',
    "service": """
limit = { requests = 100, window = "600s" }
[services.origin.rate_limits]
default = { requests = 30, window = "600s", by = "header:X-Key" }
""",
}
"""Who has had two at once is refused by the burst, and what was taken of the others is held by the gateway."""


async def test_reset_in_a_cluster_gives_back_what_is_counted_by_address_and_what_by_header(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(cluster.url, **CLUSTERED), origin)
    client = await gw.connect()
    tier, burst, own = (
        f"gw:{{{ADDRESS}}}:tier:anonymous", f"gw:{{{ADDRESS}}}:tier:anonymous:burst",
        f"gw:{{{HEADER}}}:limit:origin.default",
    )  # fmt: skip
    assert await statuses(client, 4) == [200] + [429] * 3
    held(gw, tier)
    held(gw, own)
    assert await look(gw, HEADER) == {"default": 30 - 2}
    assert await reset(gw, HEADER) == 1
    assert await look(gw, HEADER) == {}
    assert gw.worker.live.limits.leases.get(own) is None
    held(gw, tier)
    assert set(await look(gw, ADDRESS)) == {"anonymous", "anonymous-burst"}
    assert await reset(gw, ADDRESS) == 2
    assert await look(gw, ADDRESS) == {}
    assert gw.worker.live.limits.leases.get(tier) is None
    for key in (tier, burst, own):
        assert not await cluster.owner(slot_of(key)).ask("EXISTS", key)
    assert await statuses(client, 2) == [200, 429]
    assert await look(gw, HEADER) == {"default": 30 - 2}


@pytest.mark.parametrize("gone", ["moving", "moved"])
async def test_caller_whose_keys_have_moved_is_found(
    gone: str, cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    service = '[services.origin.rate_limits]\ndefault = { requests = 3, window = "600s" }'
    gw = await gateway(text(cluster.url, service=service), origin)
    client = await gw.connect()
    assert await statuses(client, 4) == [200] * 3 + [429]
    slot = slot_of(f"{{{ADDRESS}}}")
    source = cluster.owner(slot)
    target = next(node for node in cluster.nodes if node is not source)
    await cluster.begin_migration(slot, source, target)
    await cluster.move_keys(slot, source, target)
    if gone == "moved":
        await cluster.end_migration(slot, target)
    assert await look(gw, ADDRESS) == {"default": 0}
    assert await reset(gw, ADDRESS) == 1
    assert await statuses(client, 4) == [200] * 3 + [429]


# -- limits that change

SERVICE = 'limit = {{ requests = {}, window = "600s", lease = 20 }}'
KEY = "gw:{l}:service:origin:"


async def reload(gw: Gateway, store: StoreServer, origin: Origin, requests: int) -> None:
    file = text(store.url, service=SERVICE.format(requests))
    await gw.worker.reload(loads(with_listener(file), environ={"ORIGIN": origin.url}))


async def test_no_permit_that_was_held_is_spent_after_limits_have_changed(
    store: StoreServer, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(store.url, service=SERVICE.format(500)), origin)
    client = await gw.connect()
    assert await statuses(client, 5) == [200] * 5
    before = held(gw, KEY).left
    counted = await used(store, KEY, 500)
    assert counted == 5 + before
    await reload(gw, store, origin, 400)
    assert len(gw.worker.live.limits.leases) == 0
    # As many as were held, which are lost: each is asked for anew.
    assert await statuses(client, before) == [200] * before
    assert await used(store, KEY, 400) - held(gw, KEY).left == counted + before
    await reload(gw, store, origin, 6)
    assert await statuses(client, 3) == [429] * 3


async def test_permits_on_their_way_while_limits_change_are_not_held(
    store: StoreServer, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(text(store.url, service=SERVICE.format(500)), origin)
    client = await gw.connect()
    store.signal(signal.SIGSTOP)
    try:
        asked = asyncio.create_task(client.ask(GET))
        await until(lambda: waiting(gw) > 0)
        # It has been asked for twenty, of a limit that will be one of two when it answers.
        await reload(gw, store, origin, 2)
    finally:
        store.signal(signal.SIGCONT)
    assert (await asked).status == 200
    found = await statuses(client, 5)
    assert [found.count(200) + 1 <= 2, len(origin.seen)] == [True, found.count(200) + 1]


def waiting(gw: Gateway) -> int:
    """Leases that are being filled."""
    leases: dict[str, Any] = gw.worker.live.limits.leases._of
    return sum(lease.asking for lease in leases.values())


async def test_refusal_on_its_way_while_limits_change_locks_nobody_out(
    store: StoreServer, origin: Origin, gateway: Start
) -> None:
    def own(requests: int) -> str:
        limit = f'default = {{ requests = {requests}, window = "600s" }}'
        return text(store.url, service=f"[services.origin.rate_limits]\n{limit}")

    gw = await gateway(own(2), origin)
    client = await gw.connect()
    assert await statuses(client, 2) == [200] * 2
    store.signal(signal.SIGSTOP)
    try:
        asked = asyncio.create_task(client.ask(GET))
        await until(lambda: gw.worker.live.limits._server._link.waiting > 0)
        await gw.worker.reload(loads(with_listener(own(5)), environ={"ORIGIN": origin.url}))
    finally:
        store.signal(signal.SIGCONT)
    assert (await asked).status == 429
    # Two of five are used.
    assert await statuses(client, 4) == [200] * 3 + [429]
