"""What callers like best."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.wire.accept import MOST, accepted


@pytest.mark.parametrize(
    ("values", "liked"),
    [
        ([b"a/b"], [b"a/b"]),
        ([b"a/b;q=0.5, c/d ,e/f;q=0.9"], [b"c/d", b"e/f", b"a/b"]),
        ([b"a/b, c/d"], [b"a/b", b"c/d"]),
        ([b"a/b;q=0.1", b"c/d"], [b"c/d", b"a/b"]),
        ([b"A/B; Q = 0.3, c/d ; level=1;q=0.4;x=y"], [b"c/d", b"a/b"]),
        ([b"a/b;q=0, c/d;q=0.000, e/f;q=0.001"], [b"e/f"]),
        ([b"a/b;q=x, c/d;q=0.5"], [b"a/b", b"c/d"]),
        ([b"a/b;freq=0"], [b"a/b"]),
        ([], []),
    ],
)
def test_media_types_come_as_much_as_they_are_wanted(values: list[bytes], liked: list[bytes]):
    assert accepted(values) == liked


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_are_a_list_without_commas_and_capitals(values: list[bytes]):
    found = accepted(values)
    assert all(b"," not in each and each == each.lower() for each in found)


def test_no_more_is_read_than_anybody_wishes_for():
    assert len(accepted([b"a/b," * 5000])) == MOST
