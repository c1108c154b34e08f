"""A request whose limits are in two places of a cluster asks twice: both together are over within one time-out."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable

from gwproxy.state.slots import slot_of
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
TIMEOUT_S = 3.0
MARGIN_S = 1.5
FILE = """
[state]
url = "{url}"
timeout = "{timeout}s"
on_failure = "allow"
[services.{service}]
url = "${{ORIGIN}}"
limit = {{ requests = 1000, window = "600s" }}
[services.{service}.rate_limits]
default = {{ requests = 1000, window = "600s" }}
[[routes]]
path = "/*"
service = "{service}"
"""


async def test_both_calls_have_one_time_out(cluster: StoreCluster, origin: Origin, gateway: Start):
    own = cluster.owner(slot_of("{a:127.0.0.1}"))
    names = (f"origin{number}" for number in itertools.count())
    service = next(name for name in names if cluster.owner(slot_of(f"{{service:{name}}}")) is not own)
    first = cluster.owner(slot_of(f"{{service:{service}}}"))
    gw = await gateway(FILE.format(url=cluster.url, timeout=TIMEOUT_S, service=service), origin)
    loop = asyncio.get_running_loop()
    first.signal(signal.SIGSTOP)
    own.signal(signal.SIGSTOP)
    try:
        began = loop.time()
        asking = asyncio.create_task(gw.ask(GET))
        # The first place answers late, and the second never.
        await asyncio.sleep(TIMEOUT_S - 0.5)
        first.signal(signal.SIGCONT)
        answer = await asking
        took_s = loop.time() - began
    finally:
        first.signal(signal.SIGCONT)
        own.signal(signal.SIGCONT)
    assert answer.status == 200
    assert TIMEOUT_S - 0.2 <= took_s < TIMEOUT_S + MARGIN_S
