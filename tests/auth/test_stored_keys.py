"""API keys that a store has, over real sockets and real stores: who is let in, for how long, and what is asked."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.support.client import Answer, Client
from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.recorded import looked_up, name_of, put, put_key, take_key
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
StoreKind = StoreServer | StoreCluster | StoreSentinel

IN_FILE = "gwk_in_the_file"
KEY = "gwk_in_the_store"
CONFIG = f"""
[state]
url = "${{STORE}}"
timeout = "${{TIMEOUT:-5s}}"

[auth.partners]
type = "api_key"
store = true
cache = "${{CACHE:-30s}}"
[[auth.partners.keys]]
hash = "sha256:{hashlib.sha256(IN_FILE.encode()).hexdigest()}"
id = "of-the-file"

[roles]
partner = ["orders:read"]

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/known"
service = "origin"
requires_auth = true

[[routes]]
path = "/orders"
service = "origin"
permissions = ["orders:read"]

[[routes]]
path = "/open"
service = "origin"
requires_auth = false
"""


@pytest.fixture
def start(gateway: Start, origin: Origin, store: StoreServer) -> Callable[..., Awaitable[Gateway]]:
    return lambda **values: gateway(CONFIG, origin=origin, store=store.url, **values)


def get(key: str, path: str = "/known") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n".encode()


async def ask(gw: Gateway, key: str = KEY, path: str = "/known") -> Answer:
    return await gw.ask(get(key, path))


def fields(origin: Origin) -> dict[str, str]:
    sent = origin.seen[-1]
    names = ("x-user-id", "x-user-role", "x-tenant-id", "x-api-key")
    return {name: sent.header(name) for name in names if sent.header(name) is not None}


@pytest.fixture(params=["store", "cluster", "sentinel"])
def stored(request: pytest.FixtureRequest) -> StoreKind:
    kept: StoreKind = request.getfixturevalue(request.param)
    return kept


async def test_a_key_of_the_store_is_let_in_as_its_record_says(stored: StoreKind, gateway: Start, origin: Origin):
    keys = [f"gwk_{number}" for number in range(12)]
    for number, key in enumerate(keys):
        await put_key(stored, key, id=f"partner-{number}", role="partner", tenant="acme")
    gw = await gateway(CONFIG, origin=origin, store=stored.url)
    for number, key in enumerate(keys):
        assert (await ask(gw, key, "/orders")).status == 200
        assert fields(origin) == {"x-user-id": f"partner-{number}", "x-user-role": "partner", "x-tenant-id": "acme"}
        assert (await ask(gw, key + "x", "/orders")).status == 401


async def test_what_the_file_says_of_a_key_counts(start, origin: Origin, store: StoreServer):
    await put_key(store, IN_FILE, id="of-the-store")
    gw = await start()
    assert (await ask(gw, IN_FILE)).status == 200
    assert fields(origin) == {"x-user-id": "of-the-file"}


async def test_role_and_permissions_decide_as_of_any_key(start, store: StoreServer):
    await put_key(store, "reads", id="a", permissions=["orders:*"])
    await put_key(store, "none", id="b")
    gw = await start()
    assert [(await ask(gw, key, "/orders")).status for key in ("reads", "none", "unknown")] == [200, 403, 401]


async def test_who_is_not_known_may_ask_what_is_open(start, origin: Origin):
    gw = await start()
    assert (await ask(gw, "unknown", "/open")).status == 200
    assert fields(origin) == {}


async def test_the_store_is_asked_once_for_many_on_any_connection(start, store: StoreServer):
    await put_key(store, KEY, id="a")
    gw = await start()
    answers = await asyncio.gather(*(ask(gw) for _ in range(40)))
    assert {answer.status for answer in answers} == {200}
    assert await looked_up(store) == 1


async def test_a_key_that_is_taken_back_is_refused_within_cache_on_a_kept_connection_too(
    start, store: StoreServer
):
    await put_key(store, KEY, id="a")
    gw = await start(cache="400ms")
    kept = await gw.connect()
    assert (await kept.ask(get(KEY))).status == 200
    loop = asyncio.get_running_loop()
    await take_key(store, KEY)
    end = loop.time() + 0.4
    statuses = await statuses_until(kept, end + 0.1)
    assert statuses[-1] == 401
    assert (await ask(gw)).status == 401


async def statuses_until(client: Client, end: float) -> list[int]:
    """Asks on and on, so that no pause lets anything expire unseen."""
    found = []
    while asyncio.get_running_loop().time() < end:
        found.append((await client.ask(get(KEY))).status)
    return found


async def test_a_key_that_has_expired_is_refused(start, store: StoreServer):
    await put_key(store, "old", id="a", expires="2020-01-01")
    await put_key(store, "new", id="a", expires="2999-01-01")
    gw = await start()
    assert [(await ask(gw, key)).status for key in ("old", "new", "old")] == [401, 200, 401]
    assert "key has expired" in str(gw.records[0].cause)


@pytest.mark.parametrize(
    "record", [b"{}", b"rubbish", b'{"id":"a","admin":true}', b'{"id":"a\\nb"}', b'{"id":"' + b"a" * 9000 + b'"}']
)
async def test_a_record_that_cannot_be_read_lets_nobody_in(record: bytes, start, store: StoreServer, caplog):
    await put(store, "key:partners", name_of(KEY), record)
    gw = await start()
    assert [(await ask(gw)).status for _ in range(3)] == [401] * 3
    told = [each.getMessage() for each in caplog.records if "cannot be read" in each.getMessage()]
    assert len(told) == 1
    assert KEY not in caplog.text
    assert name_of(KEY) in told[0]


async def test_what_is_no_string_lets_nobody_in_and_limits_go_on(start, store: StoreServer):
    await store.ask("RPUSH", f"gw:{{key:partners:{name_of(KEY)}}}", "a")
    gw = await start()
    assert (await ask(gw)).status == 401
    assert gw.worker.live.limits.trouble == ""


async def test_a_huge_value_does_not_end_the_connection_that_limits_use(start, store: StoreServer):
    await put(store, "key:partners", name_of(KEY), b"x" * 3_000_000)
    gw = await start()
    assert (await ask(gw)).status == 401
    assert (gw.worker.live.limits.trouble, gw.worker.live.limits.failures) == ("", 0)


async def test_a_reload_keeps_what_is_known_and_takes_up_what_it_means_now(
    start, origin: Origin, store: StoreServer
):
    await put_key(store, KEY, id="a", role="partner")
    gw = await start()
    assert (await ask(gw, KEY, "/orders")).status == 200
    await store.stop()
    values = {"ORIGIN": origin.url, "STORE": store.url}
    await reload(gw, CONFIG, values)
    assert (await ask(gw, KEY, "/orders")).status == 200
    await reload(gw, CONFIG.replace("orders:read", "orders:write", 1), values)
    assert (await ask(gw, KEY, "/orders")).status == 403
    # Without the store nothing is known, and nothing is kept.
    await reload(gw, CONFIG.replace("store = true\ncache", "#"), values)
    assert (await ask(gw, KEY, "/orders")).status == 401
    await reload(gw, CONFIG, values)
    assert (await ask(gw, KEY, "/orders")).status == 503


async def test_a_reload_that_fails_takes_nothing_away(start, origin: Origin, store: StoreServer):
    await put_key(store, KEY, id="a", role="partner")
    gw = await start()
    assert (await ask(gw)).status == 200
    await store.stop()
    broken = '[services.broken]\nurl = "https://127.0.0.1:1"\n[services.broken.tls]\nca = "nowhere.pem"\n'
    values = {"ORIGIN": origin.url, "STORE": store.url}
    with pytest.raises(OSError):
        await reload(gw, CONFIG.replace("store = true\ncache", "#") + broken, values)
    # The next one begins with what is in force.
    await reload(gw, CONFIG, values)
    assert (await ask(gw)).status == 200


async def reload(gw: Gateway, text: str, values: dict[str, str]) -> None:
    from gwproxy.config.load import loads

    await gw.worker.reload(loads('[gateway]\nlisten = ["127.0.0.1:0"]\n' + text, environ=values))


# -- the store fails


async def killed(store: StoreServer) -> None:
    await store.stop()


async def frozen(store: StoreServer) -> None:
    store.signal(signal.SIGSTOP)


@pytest.mark.parametrize("fail", [killed, frozen])
async def test_while_the_store_fails_who_is_known_goes_on_and_others_are_told_to_come_again(
    fail: Callable[[StoreServer], Awaitable[None]], start, store: StoreServer, caplog
):
    await put_key(store, KEY, id="a")
    await put_key(store, "other", id="b")
    caplog.set_level(logging.INFO)
    gw = await start(timeout="100ms")
    assert (await ask(gw)).status == 200
    await fail(store)
    loop = asyncio.get_running_loop()
    began = loop.time()
    refused = [await ask(gw, f"unknown-{number}") for number in range(20)] + [await ask(gw, "other")]
    assert {(answer.status, answer.json()["code"]) for answer in refused} == {(503, "state_unavailable")}
    assert all(int(answer.header("retry-after") or 0) >= 1 for answer in refused)
    # Nobody waits for a store that is known to fail: else these had taken 2.1 s.
    assert loop.time() - began < 1.5
    assert (await ask(gw)).status == 200
    assert (await ask(gw, IN_FILE)).status == 200
    assert (await ask(gw, "other", "/open")).status == 200
    told = [each.getMessage() for each in caplog.records if "records are not read" in each.getMessage()]
    assert len(told) == 1
    assert records_of(gw).failures >= 21
    if fail is killed:
        await store.start()
        await put_key(store, "other", id="b")
    else:
        store.signal(signal.SIGCONT)
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    assert (await ask(gw, "other")).status == 200
    assert caplog.text.count("records are read from") == 1


def records_of(gw: Gateway) -> object:
    (records,) = gw.worker.live._lookups._made.values()
    return records


async def test_a_store_that_may_not_be_read_refuses_and_goes_on_counting_limits(start, store: StoreServer):
    await put_key(store, KEY, id="a")
    gw = await start()
    await store.ask("ACL", "SETUSER", "default", "resetkeys", "~gw:{l}*", "~gw:{processes}*", "~gw:{a:*")
    answer = await ask(gw)
    assert (answer.status, answer.json()["code"]) == (503, "state_unavailable")
    assert gw.worker.live.limits.trouble == ""
    await store.ask("ACL", "SETUSER", "default", "allkeys")
    assert (await ask(gw)).status == 200


async def test_a_caller_who_leaves_while_its_key_is_looked_up_takes_nothing_away(start, store: StoreServer):
    await put_key(store, KEY, id="a")
    gw = await start(timeout="5s")
    await store.ask("CLIENT", "PAUSE", "300", "ALL")
    leaving = await gw.connect()
    await leaving.send(get(KEY))
    staying = asyncio.ensure_future(ask(gw))
    await until(lambda: bool(records_of(gw)._asking))
    leaving.close()
    assert (await staying).status == 200
