"""A loop that has stood still for longer than the store's time-out: the answer that came in time is believed."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
TIMEOUT_S = 0.5
FILE = """
[state]
url = "{url}"
timeout = "{timeout}s"
on_failure = "deny"
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
default = {{ requests = 100, window = "600s" }}
[[routes]]
path = "/*"
service = "origin"
"""


async def test_answer_that_lies_unread_is_no_failure_of_the_store(
    store: StoreServer, origin: Origin, gateway: Start
):
    gw = await gateway(FILE.format(url=store.url, timeout=TIMEOUT_S), origin)
    assert (await gw.ask(GET)).status == 200
    first, second = await gw.connect(), await gw.connect()
    limits: Any = gw.worker.live.limits
    ask = limits._server.ask

    def stalls(check: Any) -> None:
        # In the callback of a socket, as where a request costs too much: the store answers meanwhile.
        ask(check)
        threading.Timer(0.1, store.signal, (signal.SIGCONT,)).start()
        time.sleep(2 * TIMEOUT_S)

    store.signal(signal.SIGSTOP)
    try:
        asking = asyncio.create_task(first.ask(GET))
        await until(lambda: limits._server._link.waiting > 0)
        limits._server.ask = stalls
        also = asyncio.create_task(second.ask(GET))
        found = [(await asking).status, (await also).status]
    finally:
        store.signal(signal.SIGCONT)
        limits._server.ask = ask
    assert (found, limits.failures) == ([200, 200], 0)
