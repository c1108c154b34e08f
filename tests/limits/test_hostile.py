"""Callers who write what they like where they are told apart: each is counted by itself, and costs what others do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from hashlib import blake2b
from typing import NamedTuple

import pytest

from tests.support.client import Answer
from tests.support.cluster import StoreCluster
from tests.support.running import Gateway
from tests.support.store import StoreServer
from tests.support.store_process import StoreProcess
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]

FILE = """
[state]
url = "{url}"
{more}
[tiers.anonymous]
requests = {requests}
window = "600s"
by = "header:X-Key"
[[routes]]
path = "/*"
respond = {{ status = 200 }}
"""
SHARED = 'prefix = "mine"\ntimeout = "5s"\non_failure = "deny"'

WHO = r"(h:x-key:[0-9A-Za-z]{1,40}|x:x-key:[0-9a-f]{32}|a:127\.0\.0\.1)"
ANY_OTHER = r"mine:\{(l|[0-9a-z]+)\}:probe|mine:\{processes\}:"
KEYS = {
    "memory": rf"tier:anonymous:{WHO}",
    "store": rf"mine:\{{l\}}:tier:anonymous:{WHO}",
    "cluster": rf"mine:\{{{WHO}\}}:tier:anonymous",
}
"""What keys look like of who is counted."""

PAGE = """
local page = redis.call('SCAN', ARGV[1], 'COUNT', 5000)
local found = {page[1]}
for _, key in ipairs(page[2]) do
  found[#found + 1] = {key, redis.call('PTTL', key)}
end
return found
"""
HERE_MS = 1
"""For how long this process has what it counts: that is not looked at."""


class Key(NamedTuple):
    """A key of a store, and for how long it is there."""

    name: str
    lasts_ms: int


class Limited:
    """A gateway and where it counts: `servers`, or itself."""

    def __init__(self, kind: str, url: str, servers: list[StoreProcess], gateway: Start) -> None:
        self.kind = kind
        self._url = url
        self._servers = servers
        self._gateway = gateway

    async def start(self, requests: int) -> Gateway:
        more = SHARED if self._servers else ""
        self._gw = await self._gateway(FILE.format(url=self._url, requests=requests, more=more))
        return self._gw

    async def keys(self) -> list[Key]:
        """All that are there, of whatever."""
        found = [key for server in self._servers for key in await keys_of(server)]
        if not self._servers:
            for name, level in self._gw.worker.live.limits._levels.items():
                found += [Key(f"{name}:{who}", HERE_MS) for table in (level._young, level._old) for who in table]
        return found

    async def counted(self) -> list[Key]:
        """Those that count a caller."""
        return [key for key in await self.keys() if re.fullmatch(KEYS[self.kind], key.name)]


@pytest.fixture(params=["memory", "store", "cluster"])
def limited(request: pytest.FixtureRequest, gateway: Start) -> Limited:
    """Counts callers by a header."""
    if request.param == "memory":
        return Limited("memory", "memory://", [], gateway)
    made = request.getfixturevalue(request.param)
    servers = [made] if isinstance(made, StoreServer) else list(made.nodes)
    return Limited(request.param, made.url, servers, gateway)


async def keys_of(server: StoreProcess) -> list[Key]:
    """All that SCAN tells of, each once."""
    found: dict[str, int] = {}
    cursor = b"0"
    while True:
        cursor, *some = await server.ask("EVAL", PAGE, 0, cursor)
        found |= {name.decode(): lasts_ms for name, lasts_ms in some}
        if cursor == b"0":
            return [Key(*pair) for pair in found.items()]


HASHED = blake2b(b"{", digest_size=16).hexdigest().encode()
VALUES = [
    # What has a meaning in keys, and in their tags.
    b"{", b"}", b"{}", b"}{", b":", b"::", b"{l}", b"{l", b"l}", b"{x}", b"{{x}}", b"{processes}:", b"mine:{l}:probe",
    b"}:limit:origin.default", b"a}:limit:origin.default", b"}:limit:origin.default:h:x-key:a", b"}:burst", b"a:burst",
    # Names of others.
    b"a", b"A", b"h:x-key:a", b"x:x-key:a", b"a:127.0.0.1", b"127.0.0.1", b"global", b"0", b"00",
    HASHED, b"x:x-key:" + HASHED, b"h:x-key:" + HASHED,
    # What has a meaning to scripts, patterns, logs, headers and URLs.
    b"%", b"%s", b"%d%d", b"%00", b"%7B", b"\\", b"\\0", b"*", b"?", b"[a]", b'"', b"'", b"\"'", b",", b";q=1", b"$1",
    b"a b", b"a  b", b"a\tb", b"a\t b", b"a,b", b"a, b", b"e 1 1 0", b"EVAL", b"KEYS[1]", b"${HOME}", b"-1",
    # Bytes that are no ASCII, and no text.
    b"\x80", b"\xff", b"\xff\xfe", b"a\x80", b"\xa0", b"\x85", b"\xc3\xa9", b"e\xcc\x81", b"\xb2",
    # Long ones that differ only in the end, and those at the edge of what is written as it is.
    b"a" * 40, b"a" * 41, b"a" * 7000, b"a" * 6999 + b"b", b"b" + b"a" * 6999, b"\xff" * 7000, b"{" * 7000,
]  # fmt: skip


def get(value: bytes | None) -> bytes:
    field = b"" if value is None else b"X-Key: %b\r\n" % value
    return b"GET /a HTTP/1.1\r\nHost: a\r\n%b\r\n" % field


async def asked(gw: Gateway, values: Iterable[bytes | None]) -> list[Answer]:
    """One after another."""
    client = await gw.connect()
    return [await client.ask(get(value)) for value in values]


async def statuses(gw: Gateway, values: Iterable[bytes], clients: int = 32) -> list[int]:
    """Of many at once."""
    rest = iter(values)

    async def some() -> list[int]:
        client = await gw.connect()
        return [(await client.ask(get(value))).status for value in rest]

    return [status for one in await asyncio.gather(*(some() for _ in range(clients))) for status in one]


async def test_each_value_is_counted_by_itself_and_touches_no_others_count(limited: Limited):
    gw = await limited.start(2)
    # None is who sends no such header.
    every = [*VALUES, None]
    assert len(set(every)) == len(every)
    for status, left in ((200, "1"), (200, "0"), (429, "0"), (429, "0")):
        answers = [(one.status, one.header("x-ratelimit-remaining")) for one in await asked(gw, every)]
        assert [who for who, told in zip(every, answers, strict=True) if told != (status, left)] == []
    assert len(await limited.counted()) == len(every)


async def test_every_key_is_the_gateways_own_short_and_has_an_end(limited: Limited):
    gw = await limited.start(1)
    assert {answer.status for answer in await asked(gw, [*VALUES, None])} == {200}
    keys = await limited.keys()
    assert [key for key in keys if not re.fullmatch(f"{KEYS[limited.kind]}|{ANY_OTHER}", key.name)] == []
    assert [key for key in keys if len(key.name) >= 200 or key.lasts_ms <= 0] == []
    if limited.kind != "memory":
        # Two windows and a second; of a lease, whose window is a second longer, not more than three.
        assert all(1_190_000 < key.lasts_ms <= 1_203_000 for key in await limited.counted())


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b" \t " * 1000], ids=["none", "blank", "tab", "many"])
async def test_value_of_blanks_is_none(blanks: bytes, limited: Limited):
    gw = await limited.start(2)
    assert [answer.status for answer in await asked(gw, [blanks, None, blanks, None])] == [200, 200, 429, 429]
    assert [answer.status for answer in await asked(gw, [b"a" + blanks, blanks + b"a", b"a"])] == [200, 200, 429]


async def test_value_that_no_field_may_have_is_refused_and_not_counted(limited: Limited):
    gw = await limited.start(2)
    controls = [bytes([number]) for number in (*range(9), 11, 12, *range(14, 32), 127)]
    for value in (b"a%bb", b"%ba", b"a%b"):
        assert {(await gw.ask(get(value % one))).status for one in controls} == {400}
    assert await limited.counted() == []


@pytest.mark.parametrize(
    "value", [b"a" * (1 << 20), b"\xff" * (1 << 20), b"a\r\nX-Key: " * 100_000], ids=["text", "bytes", "lines"]
)
async def test_value_of_a_mebibyte_is_refused_and_not_counted(value: bytes, limited: Limited):
    gw = await limited.start(2)
    assert (await gw.ask(get(value))).status == 431
    assert await limited.counted() == []


# -- many

MANY = [b"%d" % number for number in range(20_000)]
REFUSED = MANY[:3000]


async def test_twenty_thousand_values_leave_keys_that_end_and_nothing_in_the_gateway(
    store: StoreServer, gateway: Start
):
    gw = await gateway(FILE.format(url=store.url, requests=1, more=SHARED))
    gw.worker.live.limits.refused._most = 1000
    assert set(await statuses(gw, MANY)) == {200}
    keys = await keys_of(store)
    assert sum("tier:anonymous" in key.name for key in keys) == 20_000
    assert min(key.lasts_ms for key in keys) > 0
    assert max(len(key.name) for key in keys) < 64
    limits = gw.worker.live.limits
    assert (len(limits.leases), sum(map(len, limits.local._levels.values()))) == (0, 0)
    # Those who are refused are remembered, but not all of them, and who is forgotten is refused all the same.
    for _ in range(2):
        assert set(await statuses(gw, REFUSED)) == {429}
        assert len(limits.refused) <= 1000
    assert limits.failures == 0


async def test_leases_of_many_values_are_let_go(cluster: StoreCluster, gateway: Start):
    gw = await gateway(FILE.format(url=cluster.url, requests=2, more=SHARED))
    assert set(await statuses(gw, REFUSED)) == {200}
    limits = gw.worker.live.limits
    await until(lambda: gw.worker.settle() or len(limits.leases) == 0)
    keys = [key for node in cluster.nodes for key in await keys_of(node)]
    assert sum("tier:anonymous" in key.name for key in keys) == len(REFUSED)
    assert min(key.lasts_ms for key in keys) > 0
    assert set(await statuses(gw, REFUSED)) == {200}
    assert set(await statuses(gw, REFUSED)) == {429}


async def test_many_values_while_the_store_fails_are_a_bounded_number(store: StoreServer, gateway: Start):
    text = FILE.format(url=store.url, requests=2, more="") + "[limits]\nmax_callers = 1000\n"
    gw = await gateway(text)
    await store.stop()
    await until(lambda: gw.worker.live.limits.trouble != "")
    assert set(await statuses(gw, REFUSED)) == {200}
    [level] = gw.worker.live.limits.local._levels.values()
    assert len(level) <= 1000
