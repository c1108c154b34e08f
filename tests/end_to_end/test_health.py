"""/healthz and /readyz: only if asked for, on every host, and not ready from the moment that the gateway ends."""

from __future__ import annotations

import asyncio
import json

from tests.support.origin import Origin
from tests.support.scripted import send, take_request, tell, wait_for
from tests.support.until import until

FILE = """
[gateway]
healthz = "/healthz"
readyz = "/readyz"
[services.origin]
url = "${ORIGIN}"
[[routes]]
path = "/*"
method = "*"
host = "shop.example.com"
service = "origin"
[[routes]]
path = "/:anything"
service = "origin"
"""
GET = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_both_answer_whatever_the_host_and_reach_no_service(gateway, origin: Origin):
    gw = await gateway(FILE, origin)
    for host in (b"shop.example.com", b"10.0.0.7:8080", b"other.example.com"):
        alive = await gw.ask(GET % (b"/healthz", host))
        ready = await gw.ask(GET % (b"/readyz", host))
        assert (alive.status, json.loads(alive.body)) == (200, {"status": "alive"})
        assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready"})
        assert ready.header("cache-control") == "no-store"
    assert origin.seen == []


async def test_other_methods_are_not_theirs(gateway, origin: Origin):
    gw = await gateway('[gateway]\nhealthz = "/healthz"', origin)
    answer = await gw.ask(b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")
    head = await gw.connect()
    await head.send(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await head.read_answer(head=True)).status == 200


async def test_without_their_keys_the_paths_are_like_any_other(gateway, origin: Origin):
    gw = await gateway(FILE.replace("healthz =", "# ").replace("readyz =", "# "), origin)
    await gw.ask(GET % (b"/healthz", b"a"))
    assert [each.target for each in origin.seen] == [b"/healthz"]


async def test_a_gateway_that_ends_is_alive_but_not_ready(gateway, scripted):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted([take_request(), tell(asked), wait_for(answer), send(OK)])
    gw = await gateway(FILE, slow)
    # What is under way keeps it from ending; a probe's connection is open from before.
    busy, probes = await gw.connect(), [await gw.connect() for _ in range(2)]
    await busy.send(GET % (b"/slow", b"a"))
    await asyncio.wait_for(asked.wait(), 5)
    ending = asyncio.create_task(gw.worker.stop(5.0))
    await until(lambda: gw.worker.server.draining)
    ready = await probes[0].ask(GET % (b"/readyz", b"a"))
    alive = await probes[1].ask(GET % (b"/healthz", b"a"))
    assert (ready.status, json.loads(ready.body)["code"]) == (503, "draining")
    assert alive.status == 200
    answer.set()
    assert (await busy.read_answer()).status == 200
    assert await ending == 0
