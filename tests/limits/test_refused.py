"""What is remembered of a refusal: told is the limit that refuses for longest, and nothing outlives a reload."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable

from gwproxy.config.load import loads
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
TWO = """
[state]
url = "{url}"
timeout = "5s"
[tiers.anonymous]
requests = 4
window = "5s"
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
create = {{ requests = 2, window = "60s" }}
other = {{ requests = 100, window = "60s" }}
[[routes]]
path = "/create"
service = "origin"
rate_limit = "create"
[[routes]]
path = "/*"
service = "origin"
rate_limit = "other"
"""
QUOTA = """
[state]
url = "{url}"
timeout = "5s"
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
default = {{ requests = {requests}, window = "600s" }}
[[routes]]
path = "/*"
service = "origin"
"""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


async def test_limit_that_refuses_for_longest_is_told_though_another_was_refused_last(
    store: StoreServer, origin: Origin, gateway: Start
):
    gw = await gateway(TWO.format(url=store.url), origin)
    assert [(await gw.ask(get("/create"))).status for _ in range(3)] == [200, 200, 429]
    assert [(await gw.ask(get("/a"))).status for _ in range(3)] == [200, 200, 429]
    answer = await gw.ask(get("/create"))
    assert (answer.status, answer.json()["limit"]) == (429, "create")
    assert int(answer.header("retry-after")) > 50


async def test_limit_whose_last_permit_another_route_took_is_told(store: StoreServer, origin: Origin, gateway: Start):
    # The tier's window is the longer one.
    text = TWO.replace("60s", "@").replace("5s\"\n[services", "60s\"\n[services").replace("@", "5s")
    gw = await gateway(text.format(url=store.url), origin)
    assert [(await gw.ask(get("/create"))).status for _ in range(3)] == [200, 200, 429]
    assert [(await gw.ask(get("/a"))).status for _ in range(2)] == [200, 200]
    answer = await gw.ask(get("/create"))
    assert (answer.status, answer.json()["limit"]) == (429, "anonymous")
    assert int(answer.header("retry-after")) > 50


async def test_answer_that_comes_after_a_reload_locks_nobody_out(store: StoreServer, origin: Origin, gateway: Start):
    gw = await gateway(QUOTA.format(url=store.url, requests=1), origin)
    assert (await gw.ask(get("/a"))).status == 200
    # Remembered is that it was the last: a new process, or an upgrade, knows nothing of it.
    gw.worker.live.limits.refused.clear()
    store.signal(signal.SIGSTOP)
    asking = asyncio.create_task(gw.ask(get("/a")))
    try:
        await until(lambda: gw.worker.live.limits._server._link.waiting > 0)
        there = f'"http://127.0.0.1:{origin.port}"'
        text = re.sub(r'"\$\{ORIGIN\}"', there, QUOTA.format(url=store.url, requests=1000))
        await gw.worker.reload(loads(with_listener(text), environ={}))
    finally:
        store.signal(signal.SIGCONT)
    assert (await asking).status in (200, 429)
    assert (await gw.ask(get("/a"))).status == 200
