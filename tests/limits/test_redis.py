"""Limits in a real server: exact among gateways, never in anybody's way, and right again after every fault."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections.abc import Awaitable, Callable

import pytest

from gwproxy.limits.memory import KINDS
from gwproxy.limits.places import CODES
from gwproxy.limits.script import SCRIPT
from gwproxy.limits.spec import LimitSpec
from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def text(store: StoreServer, limit: str, state: str = "", limits: str = "") -> str:
    return f"""
[state]
url = "{store.url}"
{state}
{limits}
[services.origin]
url = "${{ORIGIN}}"
{limit}
[[routes]]
path = "/*"
service = "origin"
"""


async def script(store: StoreServer, keys: list[str], now: int, *words: str) -> list[int]:
    """What the script says after the number of the call and the time."""
    asked = (re.sub(r"(\w \d+ \d+)", r"\1 0", word) for word in words)
    answer = await store.ask("EVAL", SCRIPT, len(keys), *keys, 7, now, *asked)
    assert answer[0] == 7
    assert answer[1] == now or not now
    found: list[int] = answer[2:]
    return found


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.ask(GET)).status for _ in range(count)]


async def test_exactly_as_many_as_allowed_through_two_gateways(store: StoreServer, origin: Origin, gateway: Start):
    config = text(store, 'limit = { requests = 500, window = "600s" }', 'timeout = "5s"')
    gws = [await gateway(config, origin) for _ in range(2)]
    clients = [await gw.connect() for gw in gws for _ in range(32)]
    found = [status for some in await asyncio.gather(*(statuses(one, 12) for one in clients)) for status in some]
    assert (found.count(200), found.count(429)) == (500, 268)
    assert len(origin.seen) == 500


async def test_script_decides_as_this_process_does(store: StoreServer):
    for seed in range(40):
        random_one = random.Random(seed)
        kind = random_one.choice(list(CODES))
        requests, window = random_one.randint(1, 10), random_one.choice([100, 120, 1_000_000])
        here = KINDS[kind](LimitSpec("k", "n", kind, requests, window, "principal", told=True))
        now = 1_790_000_000_000_000 + random_one.randint(0, 10**14)
        for _ in range(60):
            gaps = (0, 0, 1, 3, random_one.randint(0, 30), window, random_one.randint(0, 2 * window))
            now += random_one.choice(gaps) + (86_400_000_000 if random_one.random() < 0.02 else 0)
            told = random_one.random() < 0.5
            code = CODES[kind] if told else CODES[kind].upper()
            times = random_one.choice((1, 1, 2, 5))
            there = await script(store, [f"k{seed}"] * times, now, *[f"{code} {requests} {window}"] * times)
            expected = []
            for _ in range(times):
                left = here.enter("a", now)
                expected += [int(left < 0), max(-left, 0), here.left(), here.renews(now) if told else 0]
            assert there == expected, (seed, code, requests, window)


async def test_script_gives_all_or_nothing_and_writes_nothing_for_who_is_refused(store: StoreServer):
    two = "e 1 1000000000 e 5 1000000000"
    assert await script(store, ["own", "all"], 1000, two) == [0, 0, 0, 10**9, 4, 10**9]
    before = [await store.ask("DUMP", key) for key in ("own", "all")]
    assert (await script(store, ["own", "all"], 2000, two))[:2] == [1, 10**9 - 1000]
    assert [await store.ask("DUMP", key) for key in ("own", "all")] == before
    # In one call, one after another.
    answer = await script(store, ["b", "all", "b", "all"], 3000, two, two)
    assert (answer[0], answer[6]) == (0, 1)
    assert 0 < await store.ask("PTTL", "own") < 10**9


async def test_ring_of_another_size_keeps_its_newest_times(store: StoreServer):
    for now in range(1, 9):
        await script(store, ["k"], now * 10, "e 8 1000")
    assert (await script(store, ["k"], 100, "e 3 1000"))[:2] == [1, 60 + 1000 - 100]
    assert (await script(store, ["k"], 100, "e 12 1000"))[:3] == [0, 0, 3]


async def test_clock_that_steps_back_locks_nobody_out(store: StoreServer):
    for kind in ("e", "h", "b"):
        for _ in range(3):
            await script(store, [kind], 10**12, f"{kind} 3 6000")
        answer = await script(store, [kind], 1000, f"{kind} 3 6000")
        assert (answer[0], 0 < answer[1] <= 6200) == (1, True), kind
    day, month = 86_400_000_000, 1_790_000_000_000_000
    for kind in ("d", "m"):
        for _ in range(3):
            await script(store, [kind], month + 40 * day, f"{kind} 3 {day}")
        # Over midnight, and over the first of a month: no second quota.
        assert (await script(store, [kind], month, f"{kind} 3 {day}"))[0] == 1, kind


async def test_answers_tell_what_is_left_and_who_is_refused_is_not_asked_for_again(
    store: StoreServer, origin: Origin, gateway: Start
):
    limits = '[services.origin.rate_limits]\ndefault = { requests = 2, window = "60s" }'
    gw = await gateway(text(store, limits), origin)
    first, second, third = [await gw.ask(GET) for _ in range(3)]
    assert [first.header("ratelimit"), second.header("x-ratelimit-remaining")] == ['"default";r=1;t=60', "0"]
    assert (third.status, third.json()["limit"], third.header("retry-after")) == (429, "default", "60")
    # Another gateway has to be told once.
    other = await gateway(text(store, limits), origin)
    assert (await other.ask(GET)).status == 429
    calls = (await store.ask("INFO", "commandstats")).decode().partition("cmdstat_evalsha:calls=")[2].partition(",")[0]
    for _ in range(5):
        assert [(await each.ask(GET)).status for each in (gw, other)] == [429, 429]
    assert f"cmdstat_evalsha:calls={calls}," in (await store.ask("INFO", "commandstats")).decode()


@pytest.mark.parametrize(
    ("policy", "found"), [("local", [200] * 3 + [429] * 2), ("allow", [200] * 5), ("deny", [503] * 5)]
)
async def test_server_that_is_gone_costs_what_on_failure_says(
    policy: str, found: list[int], store: StoreServer, origin: Origin, gateway: Start
):
    limits = '[services.origin.rate_limits]\ndefault = { requests = 3, window = "600s" }'
    gw = await gateway(text(store, limits, f'on_failure = "{policy}"'), origin)
    client = await gw.connect()
    assert await statuses(client, 1) == [200]
    await store.stop()
    await until(lambda: gw.worker.live.limits.trouble != "")
    assert await statuses(client, 5) == found
    await store.start()
    await until(lambda: gw.worker.live.limits.trouble == "")
    # The server that has come back has counted nothing; what was counted here is dropped.
    assert await statuses(client, 4) == [200] * 3 + [429]


async def test_server_that_stands_still_costs_one_time_out(store: StoreServer, origin: Origin, gateway: Start):
    gw = await gateway(text(store, 'limit = { requests = 100, window = "600s" }', 'timeout = "200ms"'), origin)
    clients = [await gw.connect() for _ in range(8)]
    store.signal(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert [await statuses(one, 3) for one in clients] == [[200] * 3] * 8
    # The first waits for its time-out, and then nobody any more: 24 of them would be 4.8 s.
    assert loop.time() - began < 2.0
    store.signal(signal.SIGCONT)
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert await statuses(clients[0], 3) == [200] * 3
    # Late answers were nobody's: the server has counted one that had no answer in time, and these three.
    used = await script(store, ["gw:{l}:service:origin:"], 0, "e 100 600000000")
    assert used[2] == 100 - 1 - 3 - 1


async def test_script_that_the_server_has_forgotten_is_sent_again(store: StoreServer, origin: Origin, gateway: Start):
    gw = await gateway(text(store, 'limit = { requests = 5, window = "600s" }'), origin)
    client = await gw.connect()
    assert await statuses(client, 2) == [200] * 2
    await store.ask("SCRIPT", "FLUSH")
    assert await statuses(client, 4) == [200, 200, 200, 429]
    assert gw.worker.live.limits.failures == 0


@pytest.mark.parametrize("fault", ["full", "read-only"])
async def test_server_that_takes_no_writes_is_a_failure_until_it_does(
    fault: str, store: StoreServer, origin: Origin, gateway: Start, caplog
):
    gw = await gateway(text(store, 'limit = { requests = 8, window = "600s" }', 'on_failure = "allow"'), origin)
    client = await gw.connect()
    assert await statuses(client, 5) == [200] * 5
    if fault == "full":
        await store.ask("CONFIG", "SET", "maxmemory", "1")
    else:
        await store.ask("REPLICAOF", "127.0.0.1", "1")
    assert await statuses(client, 20) == [200] * 20
    assert len([one for one in caplog.records if "are not counted" in one.getMessage()]) == 1
    if fault == "full":
        await store.ask("CONFIG", "SET", "maxmemory", "0")
    else:
        await store.ask("REPLICAOF", "NO", "ONE")
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert await statuses(client, 4) == [200] * 3 + [429]


async def test_server_that_is_not_there_at_the_start_is_found_later(origin: Origin, gateway: Start, store: StoreServer):
    await store.stop()
    limits = '[services.origin.rate_limits]\ndefault = { requests = 2, window = "600s" }'
    gw = await gateway(text(store, limits), origin)
    client = await gw.connect()
    assert await statuses(client, 3) == [200, 200, 429]
    await store.start()
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert await statuses(client, 3) == [200, 200, 429]


async def test_a_limit_may_say_for_itself_what_holds_while_the_server_fails(
    store: StoreServer, origin: Origin, gateway: Start
):
    own = (
        '[services.origin.rate_limits]\n'
        'default = { requests = 1, window = "600s", on_failure = "local", by = "header:X-Key" }\n'
    )
    every = '[limits]\nglobal = { requests = 2, window = "600s" }'
    gw = await gateway(text(store, own, 'on_failure = "allow"', every), origin)
    await store.stop()
    await until(lambda: gw.worker.live.limits.trouble != "")
    found = [(await gw.ask(GET[:-2] + b"X-Key: %b\r\n\r\n" % key)).status for key in (b"a", b"b", b"c", b"a")]
    # Each caller's is counted here; everybody's, which allows two, is not counted at all.
    assert found == [200, 200, 200, 429]


async def test_server_that_may_forget_is_told_of(
    store: StoreServer, origin: Origin, gateway: Start, caplog: pytest.LogCaptureFixture
):
    await store.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await store.ask("CONFIG", "SET", "maxmemory", "100mb")
    gw = await gateway(text(store, 'limit = { requests = 5, window = "60s" }'), origin)
    await until(lambda: "allkeys-lru" in gw.worker.live.limits.evicts)
    assert caplog.text.count("noeviction is safe") == 1
    await store.ask("CONFIG", "SET", "maxmemory", "0")
    # What it does once a minute.
    await gw.worker.live.limits._ask_whether_it_evicts()
    assert gw.worker.live.limits.evicts == ""
