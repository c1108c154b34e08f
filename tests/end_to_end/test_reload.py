"""Another configuration is put in force while requests are under way: none of them notices."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from gwproxy.config.load import loads
from gwproxy.config.loaded import Loaded
from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.scripted import Scripted, hold, send, take_request
from tests.support.until import until

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

ROUTES = """
[services.origin]
url = "${ORIGIN}"

[services.stream]
url = "${STREAM}"

[[routes]]
path = "/*"
method = "*"
service = "origin"

[[routes]]
path = "/stream"
service = "stream"

[[routes]]
path = "/version"
respond = { body = "0" }
"""


def with_version(number: int) -> str:
    return ROUTES.replace('body = "0"', f'body = "{number}"')


def loaded(text: str, **values: str) -> Loaded:
    return loads(with_listener(text), environ=values)


def pools(gw: Gateway) -> dict[str, Any]:
    return {pool.service: pool for pool in gw.worker.live.all_pools}


async def events(server: Scripted, wire: Any, number: int) -> None:
    await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while wire.end is None:
        await wire.send(b"1\r\nx\r\n")
        await asyncio.sleep(0.005)


async def keep_asking(caller: Client, raw: bytes, stop: asyncio.Event) -> list[tuple[int, bool]]:
    found = []
    while not stop.is_set():
        answer = await caller.ask(raw)
        found.append((answer.status, answer.will_close()))
        await asyncio.sleep(0.001)
    return found


@pytest.mark.parametrize("change", ["the same", "other routes", "other targets"])
async def test_twenty_reloads_fail_no_request_and_close_no_connection(
    change: str, gateway, scripted, origin: Origin
):
    stream = await scripted([take_request(), events])
    values = {"ORIGIN": origin.url, "STREAM": stream.url}
    gw = await gateway(ROUTES, **values)
    callers = [await gw.connect() for _ in range(6)]
    listener = await gw.connect()
    await listener.send(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    await listener.wire.read_until(b"\r\n\r\n")
    stop = asyncio.Event()
    asking = [asyncio.ensure_future(keep_asking(c, (GET, POST)[n % 2], stop)) for n, c in enumerate(callers)]
    for number in range(1, 21):
        text = ROUTES if change == "the same" else with_version(number)
        if change == "other targets":
            text = text.replace("${ORIGIN}", "${ORIGIN}/" * (number % 2) + "${ORIGIN}" * (1 - number % 2))
        await gw.worker.reload(loaded(text, **values))
        await asyncio.sleep(0.005)
    stop.set()
    found = [one for answers in await asyncio.gather(*asking) for one in answers]
    assert set(found) == {(200, False)}
    assert len(found) > 50
    assert all(caller.wire.end is None for caller in (*callers, listener))
    before = listener.wire.arrived
    await until(lambda: listener.wire.arrived > before)
    expected = b"0" if change == "the same" else b"20"
    assert (await callers[0].ask(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")).body == expected
    if change != "other targets":
        assert stream.connections == 1
        assert origin.connections <= len(callers)


async def test_pools_live_on_where_their_targets_do(gateway, scripted, origin: Origin):
    stream = await scripted([take_request(), send(OK), hold()])
    values = {"ORIGIN": origin.url, "STREAM": stream.url}
    gw = await gateway(ROUTES, **values)
    caller = await gw.connect()
    await caller.ask(GET)
    await caller.ask(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    before = pools(gw)
    await gw.worker.reload(loaded(with_version(1), **values))
    assert pools(gw) == before
    await caller.ask(GET)
    assert origin.connections == 1
    other = Origin()
    await other.start()
    await gw.worker.reload(loaded(with_version(2), ORIGIN=other.url, STREAM=stream.url))
    after = pools(gw)
    assert after["stream"] is before["stream"]
    assert after["origin"] is not before["origin"]
    assert before["origin"].retired
    await until(lambda: origin.open_connections == 0)
    assert (await caller.ask(GET)).status == 200
    assert len(other.seen) == 1
    await gw.stop()
    await other.stop()


async def test_retired_target_finishes_what_it_has_begun(gateway, scripted, origin: Origin):
    go = asyncio.Event()

    async def wait(server: Scripted, wire: Any, number: int) -> None:
        await go.wait()

    old = await scripted([take_request(), wait, send(OK), hold()])
    gw = await gateway(ROUTES, ORIGIN=old.url, STREAM=origin.url)
    caller = await gw.connect()
    await caller.send(GET)
    await until(lambda: old.taken)
    await gw.worker.reload(loaded(ROUTES, ORIGIN=origin.url, STREAM=origin.url))
    assert (await gw.ask(GET)).status == 200
    assert len(origin.seen) == 1
    go.set()
    answer = await caller.read_answer()
    assert answer is not None
    assert answer.body == b"ok"
    await until(lambda: old.open_connections == 0, what="the retired pool closes when its request ends")
    assert caller.wire.end is None




async def test_reload_with_unusable_tls_files_changes_nothing(gateway, origin: Origin):
    values = {"ORIGIN": origin.url, "STREAM": origin.url}
    gw = await gateway(ROUTES, **values)
    before = pools(gw)
    broken = ROUTES.replace(
        'url = "${STREAM}"', 'url = "https://127.0.0.1:1"\ntls = { ca = "/nowhere/ca.pem" }'
    ).replace('body = "0"', 'body = "1"')
    with contextlib.suppress(Exception):
        await gw.worker.reload(loaded(broken, **values))
    assert (await gw.ask(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"0"
    assert pools(gw) == before
    await gw.worker.reload(loaded(with_version(3), **values))
    assert (await gw.ask(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"3"
    assert set(pools(gw)) == {"origin", "stream"}


async def test_reloads_at_once_end_with_the_last(gateway, origin: Origin):
    values = {"ORIGIN": origin.url, "STREAM": origin.url}
    gw = await gateway(ROUTES, **values)
    await asyncio.gather(*(gw.worker.reload(loaded(with_version(n), **values)) for n in range(1, 21)))
    assert (await gw.ask(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"20"


async def test_new_bounds_hold_from_the_next_request_on(gateway, origin: Origin):
    values = {"ORIGIN": origin.url, "STREAM": origin.url}
    gw = await gateway(ROUTES, **values)
    caller = await gw.connect()
    assert (await caller.ask(POST)).status == 200
    text = "[gateway]\nmax_request_body = 1\n" + ROUTES
    await gw.worker.reload(loaded(text, **values))
    assert (await caller.ask(POST)).status == 413
