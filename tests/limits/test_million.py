"""Many callers: what a million of them take, and that no more are remembered than may be."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwproxy.limits.level import STRANGERS
from gwproxy.limits.memory import KINDS as TABLES
from gwproxy.limits.spec import Kind, LimitSpec
from tests.support.client import Client
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]
MOST = 20
FILE = """
[limits]
max_callers = {most}
[services.origin]
url = "http://127.0.0.1:9"
[services.origin.rate_limits]
default = {{ requests = {requests}, window = "600s", by = "header:X-Key"{more} }}
[[routes]]
path = "/*"
service = "origin"
"""


@pytest.mark.full
async def test_million_callers_fit_into_400_mib() -> None:
    # In a process of its own, whose memory is nobody else's.
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.million", stdout=asyncio.subprocess.PIPE
    )
    told = (await asked.communicate())[0].decode()
    assert asked.returncode == 0
    assert "callers known by each limit: 1000000, 1000000\n" in told
    found = re.search(r"memory: (\d+) MiB\nlongest check: ([\d.]+) ms\n", told)
    assert found is not None
    # Less would mean that nothing was measured: a name alone is 60 bytes.
    # The longest check is for who reads it: it takes as long as others let it.
    assert 100 < int(found[1]) < 400


async def test_script_of_the_bench_tells_what_it_found() -> None:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.million", "2000", stdout=asyncio.subprocess.PIPE
    )
    told = (await asked.communicate())[0].decode()
    assert asked.returncode == 0
    assert re.fullmatch(r"callers known by each limit: 2000, 2000\nmemory: \d+ MiB\nlongest check: [\d.]+ ms\n", told)


async def status(client: Client, key: str) -> int:
    return (await client.ask(f"GET /a HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n".encode())).status


def tables(gw: Gateway) -> dict[str, Any]:
    """What each limit knows of callers."""
    found: dict[str, Any] = gw.worker.live.limits._levels
    return found


KINDS = {
    "exact": "", "hard": ', precision = "hard"', "burst": ", burst = 2",
    "quota": ', quota = { requests = 3, period = "day" }',
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_no_more_callers_are_remembered_than_may_be(kind: str, gateway: Start) -> None:
    gw = await gateway(FILE.format(most=MOST, requests=3, more=KINDS[kind]))
    client = await gw.connect()
    # The service is not there, which is nothing to a limit. Nobody is refused, so that room is made of the older ones.
    for number in range(100):
        assert await status(client, f"k{number}") == 502
        assert all(len(table) <= MOST for table in tables(gw).values())
    # Who came last is known still.
    assert [await status(client, "k99") for _ in range(4)][-1] == 429


async def test_where_all_who_are_known_are_refused_the_others_share_one_counter(gateway: Start) -> None:
    gw = await gateway(FILE.format(most=MOST, requests=1, more=""))
    client = await gw.connect()
    found = [await status(client, f"k{number}") for number in range(100)]
    # Twenty by themselves, and one of all others.
    assert found == [502] * (MOST + 1) + [429] * (100 - MOST - 1)
    [table] = tables(gw).values()
    assert len(table) == MOST + 1
    assert table.known(STRANGERS) is not None
    # Nobody who is refused has been forgotten for it.
    assert [await status(client, f"k{number}") for number in range(MOST)] == [429] * MOST


@pytest.mark.parametrize("kind", ["exact", "hard", "bucket", "day"])
@pytest.mark.parametrize("most", [10, 20, 100, 1000])
def test_nobody_for_whom_there_is_no_room_gets_in_more_often_than_the_limit_says(kind: Kind, most: int) -> None:
    now = 1_790_000_000_000_000
    table = TABLES[kind](LimitSpec("k", "n", kind, 1, 600_000_000, "principal", told=True), most)
    for number in range(most):
        assert table.enter(f"w{number}", now) >= 0
    # All who are known are being refused: one who is not is one of the strangers, who have a single permit.
    assert sum(table.enter("a", now + at) >= 0 for at in range(2 * most)) == 1
    assert len(table) == most + 1
    # Nor has anybody who is refused been forgotten for it.
    assert all(table.enter(f"w{number}", now + 2 * most) < 0 for number in range(most))
