"""Whom an operator means: the very name under which requests are counted; and to look at a caller changes nothing."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.principal import Identities, Unproved
from gwproxy.auth.tenant import Tenant
from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.caller import by_address, by_principal, who_by, who_is
from gwproxy.limits.memory import KINDS, MemoryStore
from gwproxy.limits.spec import Kind, LimitSpec
from gwproxy.wire.request import FieldsOfRequest, RequestHead

SECOND = 1_000_000
TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# None that has another meaning to the gateway itself, such as Host.
names = st.text(TOKEN, min_size=1, max_size=20).map(lambda name: f"X-Of-{name}")
blanks = st.text(" \t", max_size=3)
values = st.one_of(
    st.text(min_size=1, max_size=60), st.text("abcXYZ019", min_size=1, max_size=60), st.from_regex(r"[ -~]{1,60}")
)


def exchange(address: str = "", *fields: bytes) -> Exchange:
    about = FieldsOfRequest(b"\r\n".join((b"Host: a", *fields)))
    return Exchange(RequestHead(b"GET", b"/", 1, about, True), Sender(address), 0.0)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(16, 128))
def test_address_is_the_name_of_requests_from_there(address: Any, prefix: int):
    assert who_is(str(address), prefix) == by_address(prefix, exchange(str(address)))


@given(st.ip_addresses(v=6), st.integers(16, 128))
def test_address_of_ipv6_may_be_written_in_every_way(address: Any, prefix: int):
    counted = by_address(prefix, exchange(str(address)))
    assert who_is(address.exploded.upper(), prefix) == counted
    assert who_is(f"{address}%eth0", prefix) == counted


@given(st.ip_addresses(v=4), st.integers(16, 128))
def test_ipv4_address_written_as_ipv6_is_the_same_caller(address: Any, prefix: int):
    assert who_is(f"::ffff:{address}", prefix) == by_address(prefix, exchange(str(address)))


@given(names, values, blanks, blanks)
def test_header_is_the_name_of_requests_that_have_it(name: str, value: str, before: str, behind: str):
    raw = value.encode("utf-8", "ignore").translate(None, bytes((*range(9), *range(10, 32), 127)))
    field = name.encode() + b":" + before.encode() + raw + behind.encode()
    counted = who_by(f"header:{name}", 64)(exchange("192.0.2.1", field))  # type: ignore[misc]
    written = f"header:{name.swapcase()}={before}{raw.decode()}{behind}"
    if counted:
        assert who_is(written, 64) == counted
    else:
        # An empty value is none: such a caller is known by its address.
        with pytest.raises(ValueError, match="names no caller"):
            who_is(written, 64)


def test_bytes_that_are_no_text_are_what_a_shell_makes_of_them():
    counted = who_by("header:X-Of", 64)(exchange("", b"X-Of: a\xff\xfeb"))  # type: ignore[misc]
    assert who_is(b"header:x-of=a\xff\xfeb".decode("utf-8", "surrogateescape"), 64) == counted


NOBODY = [
    "", "203.0.113", "203.0.113.7 ", "203.0.113.07", "203.0.113.0/24", "2001:db8::/32", "[::1]", "::1::",
    "user:7",
    "id:", "id: a", "id:a\n", "id:" + "a" * 257, "tenant:", "tenant:ACME", "tenant:a/b", "a" * 257,
    "header:X-Of", "header:=a", "header:X Of=a", "header:X-Of=", "header:X-Of= \t",
    "header:X-Of=a\nb", "header:X-Of=a\0", "Header:X-Of=a", "header:X-Of=\ud800", "a:203.0.113.7",
]  # fmt: skip


@pytest.mark.parametrize("written", NOBODY, ids=ascii)
def test_anything_else_is_refused_with_what_can_be_written(written: str):
    with pytest.raises(ValueError, match=r"an address \(203.0.113.7, 2001:db8::1\), the id of") as refused:
        who_is(written, 64)
    # It is told in UTF-8.
    assert str(refused.value).encode()


@given(st.one_of(st.text(), st.text().map("header:a={}".format)))
def test_whatever_is_written_is_a_caller_or_refused(written: str):
    with suppress(ValueError):
        assert who_is(written, 64)[:2] in ("a:", "h:", "x:", "p:", "y:", "t:")


@given(st.text(min_size=1, max_size=60))
def test_id_is_the_name_of_a_principal(text: str):
    try:
        principal = Identities({}).principal("session", text)
    except Unproved:
        return
    asking = exchange("192.0.2.1")
    asking.sender.principal = principal
    assert who_is(f"id:{text}", 64) == by_principal(64, asking)


def test_id_that_looks_like_nothing_else_needs_no_word_before_it():
    for written in ("u-1", "partner-1", "greta.hofmann@example.com", "localhost"):
        assert who_is(written, 64) == who_is(f"id:{written}", 64)
    assert who_is("id:203.0.113.7", 64) != who_is("203.0.113.7", 64)


def test_tenant_is_the_name_of_requests_for_it():
    asking = exchange("192.0.2.1")
    asking.sender.tenant = Tenant("acme")
    assert who_is("tenant:acme", 64) == who_by("tenant", 64)(asking)  # type: ignore[misc]


# -- looking

gaps = st.one_of(st.just(0), st.integers(0, 30), st.integers(90, 110), st.integers(0, 400))


class Store:
    """Limits of one kind in memory, and a clock."""

    def __init__(self, kind: Kind, requests: int, *more: LimitSpec) -> None:
        self.now_us = 1_790_000_000 * SECOND
        self.memory = MemoryStore(lambda: self.now_us * 1000, wall_ns=self.now_us * 1000)
        self.spec = LimitSpec("limit:a.b", "b", kind, requests, 100, "principal", told=True)
        self.memory.plan([self.spec, *more], 64)
        self.memory.settle_in()

    def level(self, key: str = "limit:a.b") -> Any:
        return self.memory._levels[key]

    def known(self, who: str) -> Any:
        return asyncio.run(self.memory.known(who))


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 5), st.lists(st.tuples(gaps, st.sampled_from("abc")), max_size=60))
def test_to_look_changes_nothing_and_tells_what_a_request_would_meet(
    kind: Kind, requests: int, schedule: list[tuple[int, str]]
):
    store = Store(kind, requests)
    level = store.level()
    for gap, who in schedule:
        store.now_us += gap
        before = pickle.dumps(level)
        found = store.known(who)
        assert pickle.dumps(level) == before
        asked = deepcopy(level)
        wait = asked.look(who, store.now_us)
        left = asked.left()
        assert [(one.left, one.wait_us) for one in found] == ([(left, wait)] if left < requests else [])
        level.enter(who, store.now_us)


def test_who_is_known_after_a_reload_is_who_a_request_finds():
    store = Store("exact", 3)
    store.level().enter("old", store.now_us)
    store.now_us += 100
    store.level().enter("young", store.now_us)
    # A reload: the window is longer, and who came in the shorter one is in it still.
    store.memory.forget_used()
    store.memory.plan([replace(store.spec, window_us=1000)], 64)
    store.memory.settle_in()
    assert [len(store.known(who)) for who in ("old", "young")] == [1, 1]
    store.now_us += 100
    assert [len(store.known(who)) for who in ("old", "young")] == [1, 1]
    assert [store.level().enter(who, store.now_us) for who in ("old", "young")] == [1, 1]
    store.now_us += 1000
    assert [len(store.known(who)) for who in ("old", "young")] == [0, 0]
    assert [store.level().enter(who, store.now_us) for who in ("old", "young")] == [2, 2]


def test_known_are_the_callers_own_limits_by_key():
    store = Store(
        "exact", 3, LimitSpec("global", "global", "exact", 9, 100),
        LimitSpec("limit:a.b:burst", "b-burst", "bucket", 1, 100, "principal", told=True),
        LimitSpec("limit:a.a", "a", "hard", 3, 60, "address", told=True),
    )  # fmt: skip
    for key in store.memory._levels:
        store.level(key).enter("a:1" if key != "global" else "", store.now_us)
    found = store.known("a:1")
    assert [(one.key, one.left, one.requests) for one in found] == [
        ("limit:a.a", 2, 3), ("limit:a.b", 2, 3), ("limit:a.b:burst", 0, 1),
    ]  # fmt: skip
    assert found[2].wait_us == 100
    assert asyncio.run(store.memory.forget("a:1")) == 3
    assert store.known("a:1") == []
    assert store.level("limit:a.b").enter("a:1", store.now_us) == 2
    assert store.level("global").left() == 8


async def test_limit_of_several_routes_is_one_for_all_of_them_and_after_a_reload_too(gateway):
    text = '[tiers.anonymous]\nrequests = 3\nwindow = "600s"\n' + "".join(
        f'[[routes]]\npath = "/{name}"\nrespond = {{}}\n' for name in "abc"
    )
    gw = await gateway(text)

    async def ask(path: str) -> int:
        return int((await gw.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())).status)

    assert await ask("/a") == 200
    await gw.worker.reload(gw.worker.loaded)
    assert [await ask(path) for path in ("/b", "/c", "/a", "/b", "/c")] == [200, 200, 429, 429, 429]
    assert [one.left for one in await gw.worker.live.limits.known("a:127.0.0.1")] == [0]
