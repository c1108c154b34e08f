"""URLs of stores against a server that asks who it is: the database and the user they name, and what no log tells."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.limits.conftest import StoreAt
from tests.support.authority import Authority
from tests.support.cluster import StoreCluster
from tests.support.leaks import Level
from tests.support.relay import Relay
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.store import StoreServer
from tests.support.store_process import StoreProcess, StoreProcesses, started
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
FILE = """
[state]
url = "{url}"
timeout = "5s"
on_failure = "{policy}"
[limits]
global = {{ requests = 2, window = "600s" }}
[[routes]]
path = "/*"
respond = {{ status = 200 }}
"""

PASSWORD, USERS = "of/every:b0dy@all%3F", "the-us3r's"
"""Of `default`, and of the user `u`. In a URL they are not as they are."""


class Guarded(StoreProcesses):
    """A server that lets nobody in without a password, on a port and on a unix socket."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "s"
        self.server = self.add(
            'save ""', "appendonly no", f"unixsocket {self.path}", f'requirepass "{PASSWORD}"',
            f'user u on ">{USERS}" ~* &* +@all', f'user nothing on ">{USERS}" ~*',
        )  # fmt: skip
        self.server.address = replace(self.server.address, password=PASSWORD)

    async def start(self) -> None:
        await self.server.start()

    def url(self, form: str) -> str:
        """`form` with what is in it of a place and of passwords."""
        where = f"127.0.0.1:{self.server.port}"
        return form.format(where=where, path=self.path, own=quote(PASSWORD, safe=""), users=quote(USERS, safe=""))


async def databases(server: StoreProcess) -> set[str]:
    """Those that have keys."""
    return {name for name in await server.told("keyspace") if name.startswith("db")}


async def ask(gw: Gateway, count: int) -> list[int]:
    return [(await gw.ask(GET)).status for _ in range(count)]


@pytest_asyncio.fixture
async def guarded(level: Level) -> AsyncIterator[Guarded]:
    async with started(Guarded) as server:
        yield server


@pytest.mark.parametrize(
    ("form", "database"),
    [
        ("redis://u:{users}@{where}/3", "db3"),
        ("redis://u:{users}@{where}", "db0"),
        ("redis://:{own}@{where}", "db0"),
        ("redis://:{own}@{where}/15", "db15"),
        ("redis://default:{own}@{where}/2", "db2"),
        ("unix://:{own}@{path}?db=3", "db3"),
        ("unix://u:{users}@{path}?db=3", "db3"),
        ("unix://u:{users}@{path}", "db0"),
    ],
)
async def test_limits_are_counted_as_the_user_and_in_the_database_of_the_url(
    form: str, database: str, guarded: Guarded, gateway: Start
):
    gws = [await gateway(FILE.format(url=guarded.url(form), policy="deny")) for _ in range(2)]
    assert [await ask(gw, 2) for gw in gws] == [[200, 200], [429, 429]]
    assert [gw.worker.live.limits.trouble for gw in gws] == ["", ""]
    assert await databases(guarded.server) == {database}
    assert f"user={'u' if '//u:' in form else 'default'} " in (await guarded.server.ask("CLIENT", "LIST")).decode()


async def test_primary_that_sentinels_know_is_asked_for_the_database_of_the_url(
    sentinel: StoreSentinel, gateway: Start
):
    gw = await gateway(FILE.format(url=f"{sentinel.url}/3", policy="deny"))
    assert await ask(gw, 3) == [200, 200, 429]
    assert await databases(await sentinel.primary()) == {"db3"}


async def test_every_node_of_a_cluster_is_told_the_password(cluster: StoreCluster, gateway: Start):
    for node in cluster.nodes:
        await node.ask("CONFIG", "SET", "requirepass", PASSWORD)
        node.address = replace(node.address, password=PASSWORD)
    limits = "[tiers.anonymous]\nrequests = 2\nwindow = \"600s\"\n"
    url = cluster.url.replace("//", f"//:{quote(PASSWORD, safe='')}@")
    gw = await gateway(FILE.format(url=url, policy="deny") + limits)
    assert await ask(gw, 3) == [200, 200, 429]
    assert [server.trouble for server in gw.worker.live.limits.servers] == [""] * 3


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("redis://:wr0ng-one@{where}", "WRONGPASS"),
        ("redis://u:wr0ng-one@{where}/3", "WRONGPASS"),
        ("redis://nobody:wr0ng-one@{where}", "WRONGPASS"),
        ("redis://u:{own}@{where}", "WRONGPASS"),
        ("unix://u:wr0ng-one@{path}?db=3", "WRONGPASS"),
        ("redis://{where}", "NOAUTH"),
        ("unix://{path}", "NOAUTH"),
        ("redis://nothing:{users}@{where}", "NOPERM"),
        ("redis://u:{users}@{where}/999", "out of range"),
        ("redis+cluster://u:wr0ng-one@{where}", "invalid username-password pair"),
        ("redis+cluster://u:{users}@{where}", "cluster support disabled"),
    ],
)
async def test_server_that_lets_nobody_in_is_trouble_and_no_password_is_told(
    form: str, reason: str, guarded: Guarded, gateway: Start, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    gw = await gateway(FILE.format(url=guarded.url(form), policy="deny"))
    limits = gw.worker.live.limits
    assert limits.trouble
    assert reason in limits.trouble
    assert await ask(gw, 2) == [503, 503]
    assert await databases(guarded.server) == set()
    told = f"{caplog.text} {limits.trouble} {limits.place} {gw.records}"
    assert "limits are not counted by" in told
    for secret in ("wr0ng-one", PASSWORD, quote(PASSWORD, safe=""), USERS, quote(USERS, safe="")):
        assert secret not in told


async def test_password_that_becomes_right_is_enough(guarded: Guarded, gateway: Start):
    gw = await gateway(FILE.format(url=guarded.url("redis://late:soon@{where}"), policy="deny"))
    assert await ask(gw, 1) == [503]
    await guarded.server.ask("ACL", "SETUSER", "late", "on", ">soon", "~*", "+@all")
    await until(lambda: gw.worker.live.limits.trouble == "")
    assert await ask(gw, 3) == [200, 200, 429]


# -- TLS


async def keys(store: StoreServer) -> list[bytes]:
    found: list[bytes] = await store.ask("KEYS", "*")
    return found


async def test_server_whose_authority_nobody_trusts_is_trouble_and_counts_nothing(
    tls: StoreAt, store: StoreServer, gateway: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    gw = await gateway(FILE.format(url=tls.url, policy="deny"))
    assert "certificate" in gw.worker.live.limits.trouble.lower()
    assert await ask(gw, 2) == [503, 503]
    assert await keys(store) == []


@pytest.mark.parametrize(("name", "days"), [("127.0.0.2", 1), ("localhost", 1), ("127.0.0.1", -1)])
async def test_server_with_anothers_certificate_or_an_old_one_is_trouble_and_counts_nothing(
    name: str, days: int, store: StoreServer, gateway: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    relay = Relay(store.path, authority.server_context(name, days))
    await relay.start()
    gw = await gateway(FILE.format(url=f"rediss://127.0.0.1:{relay.port}", policy="deny"))
    assert "certificate" in gw.worker.live.limits.trouble.lower()
    assert await ask(gw, 2) == [503, 503]
    assert await keys(store) == []
    await relay.stop()


async def test_server_that_speaks_no_tls_is_trouble_and_counts_nothing(
    tcp: StoreAt, store: StoreServer, gateway: Start
):
    gw = await gateway(FILE.format(url=tcp.url.replace("redis:", "rediss:"), policy="deny"))
    assert gw.worker.live.limits.trouble
    assert await ask(gw, 2) == [503, 503]
    assert await keys(store) == []
