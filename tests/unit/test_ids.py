"""Request ids: UUIDs of version 7 that sort by time, and that no clock can make meet."""

from __future__ import annotations

import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.telemetry.ids import WELL_FORMED, RequestIds


def ids_at(*milliseconds: int) -> list[bytes]:
    clock = iter(milliseconds)
    make = RequestIds(lambda: next(clock))
    return [make() for _ in milliseconds]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=100))
def test_ids_are_sorted_and_never_the_same_however_the_clock_goes(steps):
    made = ids_at(*(1_700_000_000_000 + step for step in steps))
    assert sorted(made) == made
    assert len(set(made)) == len(made)


def test_many_ids_of_one_millisecond_are_sorted_and_distinct():
    made = ids_at(*[1_700_000_000_000] * 40_000)
    assert sorted(made) == made
    assert len(set(made)) == len(made)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**48 - 1), st.integers(1, 20))
def test_id_is_a_uuid_of_version_7_with_its_time_in_front(millisecond, count):
    for made in ids_at(*[millisecond] * count):
        assert len(made) == 36
        read = uuid.UUID(made.decode())
        assert str(read) == made.decode()
        assert (read.version, read.variant) == (7, uuid.RFC_4122)
        assert read.int >> 80 == millisecond


def test_layout_holds_where_the_counter_outgrows_its_first_field():
    for made in ids_at(*[5] * 40_000)[16_380:16_390]:
        assert uuid.UUID(made.decode()).version == 7
        assert uuid.UUID(made.decode()).variant == uuid.RFC_4122


def test_two_processes_do_not_make_the_same_ids():
    one, other = ids_at(*[1] * 100), ids_at(*[1] * 100)
    assert not set(one) & set(other)


def test_our_own_ids_are_well_formed():
    assert all(WELL_FORMED.fullmatch(made) for made in ids_at(1, 2, 3))


def test_what_could_break_a_line_is_not_well_formed():
    for bad in (b"", b"a b", b"a\r\nb", b'a"b', b"\xff", b"a" * 129, b"a;b", b"{}"):
        assert WELL_FORMED.fullmatch(bad) is None
