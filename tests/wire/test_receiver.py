"""The receiving half of a caller's connection: the same bytes mean the same, however they arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.wire import receiver as table
from gwproxy.wire.fields import MAX_LINE
from gwproxy.wire.receiver import Receiver
from tests.support.pieces import after_each_crlf, byte_by_byte
from tests.wire.reading import MAX_HEAD, cut, mutated, read_all, requests

pipelines = st.lists(requests(), min_size=1, max_size=3).map(b"".join)
PLAIN = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


def readings(raw: bytes) -> list[list[object]]:
    ways = ([raw], byte_by_byte(raw), after_each_crlf(raw))
    return [[one.as_accepted() for one in read_all(pieces)] for pieces in ways]


@settings(max_examples=150, deadline=None)
@given(st.data(), pipelines)
def test_valid_requests_are_read_alike_in_any_pieces(data, raw):
    whole = read_all([raw])
    assert all(one.whole for one in whole)
    assert read_all(byte_by_byte(raw)) == whole
    assert read_all(after_each_crlf(raw)) == whole
    assert read_all(data.draw(cut(raw))) == whole


@settings(max_examples=300, deadline=None)
@given(st.data(), mutated(pipelines))
def test_broken_requests_are_accepted_or_refused_alike_in_any_pieces(data, raw):
    """Which of two faults is told may depend on which came first; whether there is one may not."""
    whole, single, lines = readings(raw)
    assert single == whole
    assert lines == whole
    assert [one.as_accepted() for one in read_all(data.draw(cut(raw)))] == whole


@settings(max_examples=300, deadline=None)
@given(st.data(), st.binary(max_size=200) | mutated(pipelines))
def test_any_bytes_give_a_request_or_a_refusal(data, raw):
    for one in read_all(data.draw(cut(raw))):
        assert one.line is not None or one.refused


# One fault each: the word does not depend on the pieces either.
FAULTS = {
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n": "http_version",
    b"GET /\r\n\r\n": "http_version",
    b"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n": "bad_request",
    b" GET / HTTP/1.1\r\nHost: a\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\nHost: a\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n": "bad_request",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": "bad_request",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n": "bad_request",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n": "bad_request",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n": "unsupported_transfer_coding",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n": "bad_request",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n": "bad_request",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: the moon\r\n\r\n": "expectation_failed",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n": "method_not_allowed",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n": "method_not_allowed",
    b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n": "bad_request",
    b"GET x HTTP/1.1\r\nHost: a\r\n\r\n": "bad_request",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n": "head_too_large",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * MAX_LINE + b"\r\n\r\n": "head_too_large",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 5 + b"\r\n": "head_too_large",
    b"GET /" + b"y" * MAX_LINE + b" HTTP/1.1\r\nHost: a\r\n\r\n": "uri_too_long",
}


@pytest.mark.parametrize("raw", FAULTS, ids=lambda raw: repr(raw[:60])[2:-1])
def test_fault_has_its_word_in_any_pieces(raw):
    for pieces in ([raw], byte_by_byte(raw), after_each_crlf(raw)):
        assert [one.refused for one in read_all(pieces)] == [FAULTS[raw]]


def test_faulty_request_leaves_those_before_it_read():
    for pieces in ([PLAIN * 2 + b"\x00"], byte_by_byte(PLAIN * 2 + b"\x00")):
        assert [bool(one.refused) for one in read_all(pieces)] == [False, False, True]


@pytest.mark.parametrize("way", [lambda raw: [raw], byte_by_byte], ids=["whole", "byte by byte"])
def test_one_empty_line_before_a_request_is_passed_over_and_two_are_not(way):
    assert [one.whole for one in read_all(way(b"\r\n" + PLAIN + b"\r\n" + PLAIN))] == [True, True]
    assert [one.refused for one in read_all(way(b"\r\n\r\n" + PLAIN))] == ["bad_request"]


@pytest.mark.parametrize("way", [lambda raw: [raw], byte_by_byte], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("over", "refused"), [(0, ""), (1, "uri_too_long")])
def test_line_may_have_exactly_its_bound(way, over, refused):
    target = b"/" + b"y" * (MAX_LINE - len(b"GET / HTTP/1.1") + over)
    raw = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target
    assert [one.refused for one in read_all(way(raw))] == [refused]


@pytest.mark.parametrize("way", [lambda raw: [raw], byte_by_byte], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("over", "refused"), [(0, ""), (1, "head_too_large")])
def test_head_may_have_exactly_its_bound(way, over, refused):
    """The bound counts the head without the empty line that ends it."""
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    raw = start + b"y" * (500 - len(start) + over) + b"\r\n\r\n"
    assert [one.refused for one in read_all(way(raw), max_head=500)] == [refused]


def test_unfinished_head_is_never_held_beyond_its_bound():
    receiver = Receiver(MAX_HEAD)
    line = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"
    receiver.head(b"GET / HTTP/1.1\r\n")
    while len(receiver.held) + len(line) <= MAX_HEAD:
        assert receiver.head(line) is None
    with pytest.raises(GatewayError) as refusal:
        receiver.head(line + line)
    assert refusal.value.code == "head_too_large"


def test_same_fields_are_read_once_and_others_anew():
    receiver = Receiver(MAX_HEAD)
    first, second, third = PLAIN, b"GET /y HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /y HTTP/1.1\r\nHost: b\r\n\r\n"
    heads = []
    for raw in (first, second, third):
        heads.append(receiver.head(raw))
        receiver.move(table.REPLIED)
    assert heads[0].fields is heads[1].fields
    assert heads[1].target == b"/y"
    assert heads[2].host == b"b"


# -- the table

STATES = ("IDLE", "HEAD", "BODY", "REPLYING", "LINGERING", "CLOSED")
EVENTS = ("BYTES", "HEAD_WHOLE", "HEAD_WITH_BODY", "BODY_WHOLE", "REPLIED", "REPLIED_LAST", "BROKEN", "LOST")
# Every event in every state, as the drawing at the head of receiver.py says; "-" is a mistake of ours.
STATED = """
          BYTES      HEAD_WHOLE  HEAD_WITH_BODY  BODY_WHOLE  REPLIED    REPLIED_LAST  BROKEN     LOST
IDLE      HEAD       -           -               -           -          LINGERING     LINGERING  CLOSED
HEAD      HEAD       REPLYING    BODY            -           -          LINGERING     LINGERING  CLOSED
BODY      BODY       -           -               REPLYING    LINGERING  LINGERING     BODY       CLOSED
REPLYING  REPLYING   -           -               -           IDLE       LINGERING     REPLYING   CLOSED
LINGERING LINGERING  -           -               -           -          LINGERING     LINGERING  CLOSED
CLOSED    CLOSED     -           -               -           -          CLOSED        CLOSED     CLOSED
"""


def stated() -> dict[tuple[str, str], str]:
    columns, *rows = (line.split() for line in STATED.strip().splitlines())
    return {(row[0], event): to for row in rows for event, to in zip(columns, row[1:], strict=True)}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_every_event_is_stated_in_every_state(state, event):
    receiver = Receiver(MAX_HEAD)
    receiver.state = getattr(table, state)
    expected = stated()[state, event]
    if expected == "-":
        with pytest.raises(AssertionError):
            receiver.move(getattr(table, event))
    else:
        receiver.move(getattr(table, event))
        assert receiver.state == getattr(table, expected)


def test_nothing_leads_out_of_closed():
    assert {to for (state, _), to in stated().items() if state == "CLOSED"} == {"CLOSED", "-"}


def test_a_forgotten_head_is_read_as_before():
    receiver = Receiver(MAX_HEAD)
    before = receiver.head(PLAIN)
    receiver.move(table.REPLIED)
    receiver.forget()
    after = receiver.head(PLAIN)
    assert before is not None
    assert after is not None
    assert (after.host, after.fields.joined()) == (before.host, before.fields.joined())
    assert after.fields is not before.fields
