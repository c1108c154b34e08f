"""What limits have counted, over configurations that come and that do not; and who shares while the store fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gwproxy.config.load import loads
from tests.support.running import Gateway, with_listener
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
FILE = """
[tiers.anonymous]
requests = 3
window = "600s"
[[routes]]
path = "/*"
respond = { status = 204 }
"""


async def test_configuration_that_was_prepared_and_not_wanted_takes_no_counts_with_it(gateway: Start):
    gw = await gateway(FILE)
    assert [(await gw.ask(GET)).status for _ in range(2)] == [204, 204]
    await gw.worker.prepare(loads(with_listener(FILE), environ={}))
    gw.worker.forget()
    await gw.worker.reload(loads(with_listener(FILE), environ={}))
    assert [(await gw.ask(GET)).status for _ in range(2)] == [204, 429]


async def test_processes_of_all_gateways_share_while_the_store_fails(store: StoreServer, gateway: Start):
    state = f'[state]\nurl = "{store.url}"\n'
    gws = [await gateway(state + FILE) for _ in range(3)]
    await until(lambda: [gw.worker.live.limits.share for gw in gws] == [3] * 3)
    await store.stop()
    await until(lambda: all(gw.worker.live.limits.trouble for gw in gws))
    # Three of everybody's are one for each.
    for gw in gws:
        assert [(await gw.ask(GET)).status for _ in range(2)] == [204, 429]


async def test_reload_while_the_store_fails_forgets_nothing_that_was_counted_here(store: StoreServer, gateway: Start):
    text = f'[state]\nurl = "{store.url}"\n' + FILE
    gw = await gateway(text)
    await store.stop()
    await until(lambda: gw.worker.live.limits.trouble != "")
    assert [(await gw.ask(GET)).status for _ in range(2)] == [204, 204]
    await gw.worker.reload(loads(with_listener(text), environ={}))
    assert [(await gw.ask(GET)).status for _ in range(2)] == [204, 429]
