"""What limits leave in a server: every key with an end, none larger than told; and who is counted under which name."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gwproxy.limits.refused import Refused
from tests.support.client import Client
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

SERVICE = """
[state]
url = "{url}"
timeout = "5s"
{state}
[gateway]
trusted_proxies = ["127.0.0.0/8"]
{limits}
[services.origin]
url = "${{ORIGIN}}"
{service}
"""
ROUTE = """
[[routes]]
path = "/*"
service = "origin"
"""


def text(url: str, *, state: str = "", limits: str = "", service: str = "") -> str:
    return SERVICE.format(url=url, state=state, limits=limits, service=service)


def get(path: str = "/a", *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


async def statuses(client: Client, count: int, raw: bytes) -> list[int]:
    return [(await client.ask(raw)).status for _ in range(count)]


EVERY_KIND = {
    "limits": """
[limits]
global = { requests = 100000, window = "60s", lease = 20 }
[tiers.anonymous]
requests = 5000
window = "60s"
quota = { requests = 20000, period = "month" }
""",
    "service": """
limit = { requests = 1000, window = "60s", lease = 10, burst = 900 }
[services.origin.rate_limits]
default = { requests = 100, window = "60s", burst = 50, quota = { requests = 1000, period = "day" } }
few = { requests = 3, window = "1s", precision = "hard", by = "header:X-Key" }
""",
}
FEW = """
[[routes]]
path = "/few"
service = "origin"
rate_limit = "few"
"""
MOST_MS = {"window": 2 * 61_000 + 1100, "day": 86_400_000 + 1100, "month": 31 * 86_400_000 + 1100}


async def found_in(store: StoreServer) -> set[str]:
    """All keys of ours."""
    cursor, keys = b"0", set[str]()
    while True:
        cursor, some = await store.ask("SCAN", cursor, "MATCH", "*", "COUNT", 1000)
        keys |= {key.decode() for key in some}
        if cursor == b"0":
            return keys


@pytest.fixture
def used(store: StoreServer, origin: Origin, gateway: Start) -> Callable[[], Awaitable[Gateway]]:
    """A gateway with limits of every kind, which two callers have used."""

    async def start() -> Gateway:
        gw = await gateway(text(store.url, **EVERY_KIND) + ROUTE + FEW, origin)
        client = await gw.connect()
        for caller in ("192.0.2.1", "2001:db8::7"):
            assert await statuses(client, 7, get("/a", f"X-Forwarded-For: {caller}")) == [200] * 7
            few = get("/few", f"X-Forwarded-For: {caller}", f"X-Key: {caller}")
            assert (await statuses(client, 4, few))[:3] == [200] * 3
        return gw

    return start


async def test_every_key_has_an_end(store: StoreServer, used: Callable[[], Awaitable[Gateway]]) -> None:
    await used()
    keys = await found_in(store)
    for name in (
        "global:", "service:origin:", "service:origin:burst:", "limit:origin.default:a:",
        "limit:origin.default:burst:a:", "limit:origin.default:day:a:", "limit:origin.few:hard", "tier:anonymous:hard",
        "tier:anonymous:month:a:",
    ):  # fmt: skip
        assert any(key.startswith(f"gw:{{l}}:{name}") for key in keys), name
    assert "gw:{processes}:" in keys
    ends = {key: await store.ask("PTTL", key) for key in keys}
    # -1 is a key without an end; -2 one that has gone since.
    assert [key for key, ms in ends.items() if ms != -2 and ms <= 0] == []
    for key, ms in ends.items():
        assert ms <= next((most for word, most in MOST_MS.items() if f":{word}:" in key), MOST_MS["window"]), key


async def test_probe_and_processes_end_too(store: StoreServer, gateway: Start) -> None:
    gw = await gateway(text(store.url).replace("${ORIGIN}", "http://127.0.0.1:9") + ROUTE)
    # It lives for a second: written anew, it is looked at within that.
    await store.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await until(lambda: gw.worker.live.limits.failures > 0)
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert 0 < await store.ask("PTTL", "gw:{l}:probe") <= 1100
    assert await store.ask("STRLEN", "gw:{l}:probe") == 16
    await until(lambda: gw.worker.live.limits.share == 1)
    assert 0 < await store.ask("PTTL", "gw:{processes}:") <= 5000
    assert await store.ask("ZCARD", "gw:{processes}:") == 1


async def test_no_key_is_larger_than_the_docs_say(store: StoreServer, used: Callable[[], Awaitable[Gateway]]) -> None:
    await used()
    keys = await found_in(store)
    own = [key for key in keys if ":a:" in key]
    assert len(own) == 2 * 5
    sizes = {key: await store.ask("STRLEN", key) for key in own}
    for key, size in sizes.items():
        if ":burst:" in key:
            assert size == 16, key
        elif ":day:" in key or ":month:" in key:
            assert 18 <= size <= 22, key
        elif "tier:" in key:
            # More than 4,096 requests: `hard`.
            assert 200 < size <= 280, key
        else:
            assert size == 28 + 8 * 7, key
    [everybody] = [key for key in keys if key.startswith("gw:{l}:global:")]
    assert 200 < await store.ask("STRLEN", everybody) <= 280
    # Seven of each caller, and what is held of the lease.
    asked = (await store.ask("STRLEN", "gw:{l}:service:origin:") - 28) / 8
    assert 20 <= asked <= 40
    assert max(len(key) for key in keys) <= 90


async def test_ring_is_as_large_as_it_has_been_used(store: StoreServer, origin: Origin, gateway: Start) -> None:
    service = '[services.origin.rate_limits]\ndefault = { requests = 10, window = "600s" }'
    gw = await gateway(text(store.url, service=service) + ROUTE, origin)
    client, sizes = await gw.connect(), []
    for _ in range(12):
        await client.ask(get())
        gw.worker.live.limits.refused.clear()
        sizes.append(await store.ask("STRLEN", "gw:{l}:limit:origin.default:a:127.0.0.1"))
    assert sizes == [28 + 8 * used for used in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10)]


def shown_of_a_cluster() -> list[str]:
    """Keys as docs/limits.md shows them for a cluster: of everybody, and of a caller."""
    told = Path("docs/limits.md").read_text(encoding="utf-8")
    return re.findall(r"`(gw:[^`]*)`", told.partition("In a cluster the tag in braces")[2].partition(".\n")[0])


async def test_keys_of_a_cluster_are_as_the_docs_show_them(
    cluster: StoreCluster, origin: Origin, gateway: Start
) -> None:
    shown = shown_of_a_cluster()
    assert len(shown) == 2
    limits = '[limits]\nglobal = { requests = 100, window = "60s" }'
    service = '[services.origin.rate_limits]\ncreate = { requests = 20, window = "60s" }'
    file = text(cluster.url, limits=limits, service=service) + ROUTE + 'rate_limit = "create"'
    file = file.replace("services.origin", "services.users").replace('"origin"', '"users"')
    gw = await gateway(file, origin)
    assert (await gw.ask(get("/a", "X-Forwarded-For: 203.0.113.7"))).status == 200
    keys = {key.decode() for node in cluster.nodes for key in await node.ask("KEYS", "gw:*")}
    assert set(shown) <= keys


def test_callers_that_are_refused_are_remembered_up_to_a_number() -> None:
    refused = Refused(3)
    for at, key in enumerate("abcd"):
        refused.add(key, 100 + at)
    assert len(refused) == 3
    assert [refused.wait(key, 50) for key in "abcd"] == [0, 51, 52, 53]
    # Whose time is over is not kept any longer.
    assert refused.wait("b", 101) == 0
    assert len(refused) == 2
    refused.forget(["c", "none"])
    assert [refused.wait(key, 50) for key in "bcd"] == [0, 0, 53]
    refused.clear()
    assert len(refused) == 0


def test_caller_that_is_refused_again_pushes_out_nobody() -> None:
    refused = Refused(3)
    for key in "abc":
        refused.add(key, 100)
    refused.add("c", 200)
    assert [refused.wait(key, 50) for key in "abc"] == [50, 50, 150]


@pytest.fixture(params=["memory", "store", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue(request.param).url)


async def test_tenant_is_the_address_while_there_are_no_tenants(url: str, origin: Origin, gateway: Start) -> None:
    service = '[services.origin.rate_limits]\ndefault = { requests = 2, window = "600s", by = "tenant" }'
    gw = await gateway(text(url, service=service) + ROUTE, origin)
    client = await gw.connect()

    async def status(address: str, tenant: str) -> int:
        raw = get("/a", f"X-Forwarded-For: {address}", f"X-Tenant: {tenant}", f"Tenant: {tenant}")
        return (await client.ask(raw)).status

    assert [await status("192.0.2.1", tenant) for tenant in "abc"] == [200, 200, 429]
    assert [await status("192.0.2.2", "a") for _ in range(3)] == [200, 200, 429]
    assert [(one.name, one.left) for one in await gw.worker.live.limits.known("a:192.0.2.1")] == [("default", 0)]
    assert await gw.worker.live.limits.forget("a:192.0.2.1") == 1
    assert await status("192.0.2.1", "a") == 200


def logged(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "gwproxy" and words in one.getMessage()]


async def test_limit_that_denies_refuses_its_own_route_alone_while_the_store_is_down(
    store: StoreServer, origin: Origin, gateway: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwproxy")
    service = """
[services.origin.rate_limits]
default = { requests = 1, window = "600s", on_failure = "allow" }
strict = { requests = 3, window = "600s", on_failure = "deny" }
"""
    strict = '[[routes]]\npath = "/strict"\nservice = "origin"\nrate_limit = "strict"\n'
    gw = await gateway(text(store.url, service=service) + strict + ROUTE, origin)
    client = await gw.connect()
    assert await statuses(client, 1, get("/strict")) == [200]
    for time in (1, 2):
        await store.stop()
        await until(lambda: gw.worker.live.limits.trouble != "")
        refused = await client.ask(get("/strict"))
        assert (refused.status, refused.json()["code"]) == (503, "state_unavailable")
        assert int(refused.header("retry-after") or 0) >= 1
        assert await statuses(client, 3, get("/a")) == [200] * 3
        assert await statuses(client, 2, get("/strict")) == [503] * 2
        assert len(logged(caplog, "are not counted by")) == time
        assert len(logged(caplog, "are counted by")) == time - 1
        await store.start()
        await until(lambda: gw.worker.live.limits.trouble == "")
        assert await statuses(client, 4, get("/strict")) == [200] * 3 + [429]
        assert await statuses(client, 2, get("/a")) == [200, 429]
        gw.worker.live.limits.refused.clear()
        [again] = logged(caplog, "are counted by")[time - 1 :]
        assert again.endswith(" again")
    assert len(logged(caplog, "are not counted by")) == len(logged(caplog, "are counted by")) == 2
