"""Permits that are taken in advance: no window holds more than its limit, however many processes have some."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwproxy.limits.lease import Lease, Leases
from gwproxy.limits.places import word_of
from gwproxy.limits.script import SCRIPT
from gwproxy.limits.spec import Kind, LimitSpec
from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
START = 1_790_000_000_000_000
DAY = 86_400_000_000


class Process:
    """One of those that share a limit, as LeasedPlan does it."""

    def __init__(self, store: StoreServer, spec: LimitSpec, key: str) -> None:
        self._store = store
        self._spec = spec
        self._leased = spec.leased()
        self._key = key
        self.lease = Lease(1, spec.lease)

    async def ask(self, now: int) -> bool:
        if self.lease.spend(now):
            return True
        wanted = self.lease.wanted(now)
        answer = await self._store.ask("EVAL", SCRIPT, 1, self._key, 0, now, word_of(self._leased, wanted))
        refused, left, renews, granted = answer[2], answer[4], answer[5], answer[6]
        self.lease.asking = False
        until = now + self._spec.lease_us
        if self._spec.kind == "day" and renews:
            until = min(until, now + renews)
        self.lease.fill(granted, until, left, now + renews, now)
        assert (granted > 0) == (refused == 0)
        if granted:
            self.lease.left -= 1
        return bool(granted)


async def spent_by(store: StoreServer, spec: LimitSpec, seed: int, steps: int) -> list[int]:
    """When permits were spent by three processes, on a schedule of that seed."""
    chance, now, spent = random.Random(seed), START + seed * DAY * 40, []
    processes = [Process(store, spec, f"k{seed}") for _ in range(3)]
    usual = max(spec.window_us // (2 * spec.requests), 1)
    for _ in range(steps):
        pause, window = spec.lease_us, spec.window_us
        gaps = (0, 1, usual, chance.randint(0, usual), pause - 1, pause, window // 3, window)
        now += chance.choices(gaps, (80, 40, 80, 80, 2, 2, 1, 1))[0]
        if await chance.choice(processes).ask(now):
            spent.append(now)
    return spent


def most_in(spent: list[int], window: int) -> int:
    """The most in any window, wherever it begins."""
    most, first = 0, 0
    for last, at in enumerate(spent):
        while at - spent[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("kind", ["exact", "hard"])
async def test_no_window_holds_more_than_its_limit(kind: Kind, store: StoreServer):
    for seed in range(8):
        requests = (12, 40, 100, 300)[seed % 4]
        spec = LimitSpec("k", "n", kind, requests, 10_000, lease=(2, 10, 50)[seed % 3])
        spent = await spent_by(store, spec, seed, 600)
        assert most_in(spent, spec.window_us) <= requests
        # And not much less: what is held and not spent is a tenth of what was left.
        if requests <= 100:
            assert most_in(spent, spec.window_us + spec.lease_us) >= requests * 3 // 4


async def test_bucket_gives_what_it_holds_and_its_rate(store: StoreServer):
    for seed in range(8):
        requests = (5, 20, 60, 200)[seed % 4]
        spec = LimitSpec("k", "n", "bucket", requests, 10_000, lease=10)
        spent = await spent_by(store, spec, seed, 400)
        for first, begin in enumerate(spent):
            for last in range(first, min(first + 3 * requests, len(spent))):
                assert last - first + 1 <= requests + (spent[last] - begin) * requests / spec.window_us


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket"])
async def test_permits_that_are_hoarded_and_spent_at_the_last_moment_are_counted_still(kind: Kind, store: StoreServer):
    spec = LimitSpec("k", "n", kind, 400, 610_000, lease=40)
    hoarders = [Process(store, spec, "k") for _ in range(12)]
    now, spent, last = START, [], spec.lease_us - 1

    async def all_there_are(process: Process) -> None:
        while await process.ask(now):
            spent.append(now)

    for hoarder in hoarders:
        hoarder.lease.size = spec.lease
        assert await hoarder.ask(now)
        spent.append(now)
    now += last
    for hoarder in hoarders:
        while hoarder.lease.spend(now):
            spent.append(now)
    await all_there_are(Process(store, spec, "k"))
    if kind == "bucket":
        assert 300 < len([at for at in spent if at == now]) <= 400
    else:
        # A window and more after the first, and less than that after those that were spent late.
        now = START + spec.window_us + spec.part_us
        await all_there_are(Process(store, spec, "k"))
        assert most_in(spent, spec.window_us) <= 400


async def test_permits_of_a_day_are_none_of_the_next(store: StoreServer):
    spec = LimitSpec("k", "n", "day", 100, DAY, lease=10)
    process, midnight = Process(store, spec, "k"), START - START % DAY + DAY
    while not process.lease.left:
        assert await process.ask(midnight - 500_000)
    spent = 0
    while await process.ask(midnight):
        spent += 1
    assert spent == 100


async def test_lease_shrinks_when_it_is_not_used_and_grows_when_it_is(store: StoreServer):
    spec = LimitSpec("k", "n", "exact", 1000, 10_000_000, lease=64)
    process, now = Process(store, spec, "k"), START
    for _ in range(200):
        await process.ask(now)
    assert process.lease.size > 32
    sizes = []
    for _ in range(8):
        now += spec.lease_us
        await process.ask(now)
        sizes.append(process.lease.size)
    assert sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)


def test_leases_are_bounded_and_those_out_of_use_are_let_go():
    leases = Leases(3)
    for key in "abcd":
        leases.have(key, 1, 1).fill(1, 100, 0, 0, 0)
    assert (len(leases), leases.get("a")) == (3, None)
    leases.sweep(99)
    assert len(leases) == 3
    leases.sweep(100)
    assert len(leases) == 0


LEASED = """
[state]
url = "{url}"
timeout = "5s"
[services.origin]
url = "${{ORIGIN}}"
limit = {{ requests = 500, window = "600s", lease = 20 }}
{more}
[[routes]]
path = "/*"
service = "origin"
"""


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.ask(GET)).status for _ in range(count)]


async def calls(store: StoreServer) -> int:
    told = (await store.ask("INFO", "commandstats")).decode()
    return int(told.partition("cmdstat_evalsha:calls=")[2].partition(",")[0] or 0)


async def test_most_requests_of_a_hot_key_do_not_ask_the_store(store: StoreServer, origin: Origin, gateway: Start):
    gw = await gateway(LEASED.format(url=store.url, more=""), origin)
    client, before = await gw.connect(), await calls(store)
    assert await statuses(client, 100) == [200] * 100
    assert await calls(store) - before < 20


async def test_two_gateways_with_leases_allow_no_more_and_lose_little(
    store: StoreServer, origin: Origin, gateway: Start
):
    gws = [await gateway(LEASED.format(url=store.url, more=""), origin) for _ in range(2)]
    clients = [await gw.connect() for gw in gws for _ in range(16)]
    some = await asyncio.gather(*(statuses(one, 20) for one in clients))
    allowed = sum(one.count(200) for one in some)
    assert 500 - 2 * 20 <= allowed <= 500
    assert len(origin.seen) == allowed


async def test_who_is_refused_gives_what_it_took_of_a_lease_back(store: StoreServer, origin: Origin, gateway: Start):
    more = '[services.origin.rate_limits]\ndefault = { requests = 2, window = "600s" }'
    gw = await gateway(LEASED.format(url=store.url, more=more), origin)
    client = await gw.connect()
    assert await statuses(client, 30) == [200] * 2 + [429] * 28
    gw.worker.live.limits.refused.clear()
    assert await statuses(client, 1) == [429]
    held: Any = gw.worker.live.limits.leases.get("gw:{l}:service:origin:")
    [_, _, _, _, left, *_] = await store.ask(
        "EVAL", SCRIPT, 1, "gw:{l}:service:origin:", 0, 0, "e 500 601000000 -1"
    )
    assert 500 - left - held.left == 2


async def test_lease_bridges_a_store_that_fails_for_a_moment(store: StoreServer, origin: Origin, gateway: Start):
    gw = await gateway(LEASED.format(url=store.url, more="").replace("[state]", '[state]\non_failure = "deny"'), origin)
    client = await gw.connect()
    assert await statuses(client, 10) == [200] * 10
    held: Any = gw.worker.live.limits.leases.get("gw:{l}:service:origin:")
    await store.stop()
    await until(lambda: gw.worker.live.limits.trouble != "")
    # As many as it holds, unless its second is over by now.
    left = held.left
    found = await statuses(client, left + 2)
    assert found[-2:] == [503, 503]
    assert set(found) <= {200, 503}


def test_permit_that_is_given_back_keeps_its_date():
    lease = Lease(4, 4)
    lease.fill(2, 1000, 0, 0, 0)
    held = [lease.spend(10), lease.spend(10)]
    assert held == [1000, 1000]
    lease.fill(4, 9000, 0, 0, 500)
    lease.give_back(held[0], 600)
    # Five, of which one is of the earlier date: all are spent before it.
    assert (lease.left, lease.until) == (5, 1000)
    lease.give_back(held[1], 1000)
    assert (lease.left, lease.spend(1000)) == (5, 0)


async def test_who_is_refused_by_everybodys_leased_limit_is_looked_at_once_a_second(
    store: StoreServer, origin: Origin, gateway: Start
):
    limits = """
[limits]
global = { requests = 40, window = "600s", lease = 4 }
[tiers.anonymous]
requests = 100
window = "600s"
[[routes]]
path = "/*"
respond = { status = 204 }
"""
    gw = await gateway(f'[state]\nurl = "{store.url}"\ntimeout = "5s"\n{limits}')
    client = await gw.connect()
    found = [await client.ask(GET) for _ in range(45)]
    assert [answer.status for answer in found].count(204) <= 40
    before = (await store.ask("INFO", "commandstats")).decode()
    answers = [await client.ask(GET) for _ in range(50)]
    after = (await store.ask("INFO", "commandstats")).decode()
    calls = [int(text.partition("cmdstat_evalsha:calls=")[2].partition(",")[0]) for text in (before, after)]
    assert calls[1] - calls[0] < 10
    assert {answer.status for answer in answers} == {429}
    assert {answer.header("ratelimit").partition(";t=")[0] for answer in answers} == {'"anonymous";r=60'}


async def test_nobody_is_told_what_is_left_to_another(store: StoreServer, origin: Origin, gateway: Start):
    limits = """
[limits]
global = { requests = 40, window = "600s", lease = 4 }
[services.origin]
url = "${ORIGIN}"
limit = { requests = 1000, window = "600s" }
[services.origin.rate_limits]
default = { requests = 100, window = "600s", by = "header:X-Key" }
[[routes]]
path = "/*"
service = "origin"
"""
    gw = await gateway(f'[state]\nurl = "{store.url}"\ntimeout = "5s"\n{limits}', origin)
    client = await gw.connect()

    async def left(key: str) -> tuple[int, str]:
        answer = await client.ask(f"GET /a HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n".encode())
        return answer.status, answer.header("x-ratelimit-remaining")

    assert [await left(key) for key in "aab"] == [(200, "99"), (200, "98"), (200, "99")]
    while (await left("c"))[0] == 200:
        pass
    assert [await left(key) for key in "abab"] == [(429, "98"), (429, "99")] * 2
