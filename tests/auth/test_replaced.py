"""Taking one field line out of many: that line and no other, whatever the others are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gwproxy.steps.authenticate import replaced

# Few letters, so that lines are often ends of each other.
texts = st.text("aX-: ", max_size=6).map(lambda text: f"{text}\r\n".encode())


@given(st.lists(texts, min_size=1, max_size=8), st.data(), st.sampled_from([b"", b"a: b\r\n"]))
def test_exactly_one_line_is_replaced(lines: list[bytes], data: st.DataObject, left: bytes) -> None:
    line = data.draw(st.sampled_from(lines))
    first = lines.index(line)
    assert replaced(b"".join(lines), line, left) == b"".join([*lines[:first], left, *lines[first + 1 :]])


def test_the_end_of_another_line_is_left_alone() -> None:
    lines = b"X-Authorization: Bearer a\r\nAuthorization: Bearer a\r\nVia: b\r\n"
    assert replaced(lines, b"Authorization: Bearer a\r\n", b"") == b"X-Authorization: Bearer a\r\nVia: b\r\n"


def test_a_line_that_is_not_there_changes_nothing() -> None:
    assert replaced(b"A: b\r\n", b"C: d\r\n", b"") == b"A: b\r\n"
    assert replaced(b"", b"C: d\r\n", b"") == b""
