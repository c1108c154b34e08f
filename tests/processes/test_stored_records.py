"""Keys and tenants of a store, with several workers: all go by it, each within its `cache`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.origin import Origin
from tests.support.recorded import put, put_key, take_key
from tests.support.store import StoreServer

FILE = """
[gateway]
listen = ["127.0.0.1:0"]
workers = 3
[state]
url = "{url}"
timeout = "5s"
[auth.partners]
type = "api_key"
store = true
cache = "200ms"
[tenancy]
from = ["header:X-Tenant-Id"]
store = true
cache = "200ms"
[services.origin]
url = "{origin}"
[[routes]]
path = "/a"
service = "origin"
requires_auth = true
"""
GET = b"GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: gwk_a\r\nX-Tenant-Id: acme\r\n\r\n"


async def test_all_workers_go_by_one_store(gwproxy, connect, store: StoreServer, origin: Origin, tmp_path: Path):
    file = tmp_path / "api.toml"
    file.write_text(FILE.format(url=store.url, origin=origin.url))
    await put_key(store, "gwk_a", id="a")
    await put(store, "tenant", "acme", {})
    process = await gwproxy("run", str(file))
    port = await process.port()
    # Workers take connections in turn.
    clients = [await connect(port) for _ in range(12)]

    async def statuses() -> set[int]:
        return {answer.status for answer in await asyncio.gather(*(client.ask(GET) for client in clients))}

    assert await statuses() == {200}
    await take_key(store, "gwk_a")
    while await statuses() != {401}:
        pass
    await put_key(store, "gwk_a", id="a")
    while await statuses() != {200}:
        pass
    await put(store, "tenant", "acme", {"active": False})
    while await statuses() != {403}:
        pass
