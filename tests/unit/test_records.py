"""Records that are looked up: asked for once, believed for a while, bounded, and read strictly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.records import KeyRecord, TenantRecord, key_record, tenant_record, written
from gwproxy.state import records as room
from gwproxy.state.records import (
    LONGEST,
    NEGATIVE_S,
    Kept,
    Records,
    RecordsSpec,
    StoreFails,
    Take,
    Unreadable,
    key_of,
)
from gwproxy.state.slots import slot_of

CACHE_S = 30.0


class Store:
    """A store that answers when it is told to. `asked` are the keys, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.held: dict[str, bytes] = {}
        self.trouble = ""
        self.slow = False
        self._waiting: list[tuple[str, Take]] = []

    def read(self, key: str, take: Take) -> None:
        self.asked.append(key)
        self._waiting.append((key, take))
        if not self.slow:
            self.answer()

    def answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for key, take in waiting:
            take(StoreFails(self.trouble) if self.trouble else self.held.get(key, b""))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def found(text: bytes) -> bytes:
    if text == b"rubbish":
        raise ValueError("no record")
    return text


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def looked(store: Store, clock: Clock) -> Callable[[str], bytes | None | StoreFails]:
    """Looks a name up as the data path does: what is kept, else what the store says."""
    records = Records(store, "gw", RecordsSpec("key:a", CACHE_S), found, clock)

    async def look(name: str) -> bytes | None | StoreFails:
        kept = records.kept(name, clock.now)
        if kept is None:
            try:
                kept = await records.asked(name)
            except StoreFails as error:
                return error
        return kept.record

    return lambda name: asyncio.run(look(name))


def test_a_record_is_asked_for_once_and_believed_for_its_time(store, clock, looked):
    store.held["gw:{key:a:x}"] = b"one"
    assert [looked("x"), looked("x")] == [b"one"] * 2
    store.held["gw:{key:a:x}"] = b"two"
    clock.now += CACHE_S - 0.001
    assert looked("x") == b"one"
    clock.now += 0.001
    assert looked("x") == b"two"
    assert store.asked == ["gw:{key:a:x}"] * 2


def test_a_record_that_is_gone_is_gone_within_its_time(store, clock, looked):
    store.held["gw:{key:a:x}"] = b"one"
    assert looked("x") == b"one"
    store.held.clear()
    clock.now += CACHE_S
    assert looked("x") is None


def test_that_there_is_none_is_believed_for_a_shorter_time(store, clock, looked):
    assert looked("x") is None
    store.held["gw:{key:a:x}"] = b"one"
    clock.now += NEGATIVE_S - 0.001
    assert looked("x") is None
    clock.now += 0.001
    assert looked("x") == b"one"


def test_what_is_kept_goes_on_while_the_store_fails_until_its_time_is_over(store, clock, looked):
    store.held["gw:{key:a:x}"] = b"one"
    assert looked("x") == b"one"
    store.trouble = "gone"
    clock.now += CACHE_S - 1
    assert looked("x") == b"one"
    assert isinstance(looked("y"), StoreFails)
    clock.now += 1
    assert isinstance(looked("x"), StoreFails)
    store.trouble = ""
    assert looked("x") == b"one"


def test_a_clock_that_is_put_back_makes_nobody_believed_for_longer(store, clock, looked):
    store.held["gw:{key:a:x}"] = b"one"
    assert looked("x") == b"one"
    store.held.clear()
    clock.now -= 3600
    assert looked("x") is None


def test_the_time_of_a_record_begins_when_it_is_asked_for(store, clock):
    records = Records(store, "gw", RecordsSpec("a", CACHE_S), found, clock)
    store.slow = True
    store.held["gw:{a:x}"] = b"one"

    async def late() -> Kept[bytes]:
        asking = asyncio.ensure_future(records.asked("x"))
        await asyncio.sleep(0)
        clock.now += 10
        store.answer()
        return await asking

    assert asyncio.run(late()).until == 1000.0 + CACHE_S


def test_many_who_ask_for_one_name_share_one_look(store, clock):
    records = Records(store, "gw", RecordsSpec("a", CACHE_S), found, clock)
    store.slow = True
    store.held["gw:{a:x}"] = b"one"

    async def many() -> list[bytes | None]:
        asking = [asyncio.ensure_future(records.asked("x")) for _ in range(50)]
        await asyncio.sleep(0)
        # Who leaves takes nothing from the others.
        asking.pop(0).cancel()
        await asyncio.sleep(0)
        store.answer()
        return [kept.record for kept in await asyncio.gather(*asking)]

    assert asyncio.run(many()) == [b"one"] * 49
    assert len(store.asked) == 1


def test_a_flood_of_unknown_names_is_bounded_and_drives_no_known_one_out(store, clock, monkeypatch):
    monkeypatch.setattr(room, "MOST", 100)
    records = Records(store, "gw", RecordsSpec("a", CACHE_S), found, clock)
    store.held["gw:{a:x}"] = b"one"

    async def flood() -> None:
        await records.asked("x")
        for number in range(1000):
            await records.asked(str(number))

    asyncio.run(flood())
    kept = records.kept("x", clock.now)
    assert kept is not None
    assert kept.record == b"one"
    assert (len(records._known), len(records._unknown), len(records._asking)) == (1, 100, 0)
    assert records.kept("999", clock.now) is not None
    assert records.kept("899", clock.now) is None


def test_known_names_are_bounded_too(store, clock, monkeypatch):
    monkeypatch.setattr(room, "MOST", 10)
    records = Records(store, "gw", RecordsSpec("a", CACHE_S), found, clock)
    store.held = {f"gw:{{a:{number}}}": b"one" for number in range(100)}

    async def ask_all() -> None:
        for number in range(100):
            await records.asked(str(number))

    asyncio.run(ask_all())
    assert list(records._known) == [str(number) for number in range(90, 100)]


@pytest.mark.parametrize("text", [b"rubbish", b"x" * (LONGEST + 1)])
def test_what_cannot_be_read_is_no_record_and_told_once_by_its_key(text, store, clock, looked, caplog):
    store.held["gw:{key:a:x}"] = text
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert looked("x") is None
            clock.now += CACHE_S
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "gw:{key:a:x}" in caplog.text
    assert "rubbish" not in caplog.text


def test_what_is_no_string_is_no_record(clock):
    class Odd:
        def read(self, key: str, take: Take) -> None:
            take(Unreadable("it is no string"))

    records = Records(Odd(), "gw", RecordsSpec("a", CACHE_S), found, clock)
    kept = asyncio.run(records.asked("x"))
    assert (kept.record, kept.why) == (None, "its record cannot be read")


def test_records_of_a_cluster_are_spread_over_its_slots():
    assert len({slot_of(key_of("gw", "key:a", f"{number:064x}")) for number in range(100)}) > 90


# -- what stands in them

WELL = b'{"id": "partner-1", "role": "partner", "permissions": ["a:b"], "tier": "pro", "tenant": "acme"}'


def test_a_record_says_whom_a_key_stands_for():
    expected = KeyRecord(id="partner-1", role="partner", permissions=("a:b",), tier="pro", tenant="acme")
    assert key_record(WELL) == expected
    assert key_record(b'{"id": "x", "expires": "2030-01-01", "role": null}').until == 1893456000.0
    assert tenant_record(b"{}") == TenantRecord(plan=None, active=True)
    assert tenant_record(b'{"plan": "free", "active": false}') == TenantRecord(plan="free", active=False)


@pytest.mark.parametrize(
    "text",
    [
        b"{}", b"[]", b"null", b'"x"', b"", b"{", b"\xff\xfe", b'{"id": 7}', b'{"id": ""}', b'{"id": "a b"}',
        b'{"id": "x", "id": "y"}', b'{"id": "x", "admin": true}', b'{"id": "x", "permissions": "a"}',
        b'{"id": "x", "permissions": [1]}', b'{"id": "x", "expires": 1893456000}', b'{"id": "x", "expires": "soon"}',
        b'{"id": "x", "expires": "2030-02-30"}', b'{"id": "x", "tier": ""}', b'{"id": "x\\r\\ny"}', b"[" * 5000,
        b'{"id": "x"} {"id": "y"}', b'{"id": NaN}',
    ],
)  # fmt: skip
def test_what_says_it_in_another_form_is_none(text):
    with pytest.raises(ValueError):
        key_record(text)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"plan": 1}', b'{"active": "no"}', b'{"active": 0}', b'{"targets": {}}', b'{"plan": "a b"}']
)
def test_what_says_another_thing_of_a_tenant_is_none(text):
    with pytest.raises(ValueError):
        tenant_record(text)


WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(WORDS, st.none() | TEXTS, st.lists(TEXTS, max_size=5), st.none() | st.dates().map(str))
def test_what_is_written_is_read_as_it_was(id_, role, permissions, expires):
    record = KeyRecord(id=id_, role=role, permissions=tuple(permissions), expires=expires)
    assert key_record(written(record)) == record


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_a_record_or_a_reason(text):
    for read in (key_record, tenant_record):
        with contextlib.suppress(ValueError):
            assert isinstance(read(text), KeyRecord | TenantRecord)
