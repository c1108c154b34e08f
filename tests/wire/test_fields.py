"""Field lines: which cross, which are ours, and in which spellings identity may not be claimed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.wire.fields import (
    ANSWERS,
    IDENTITY_NAMES,
    MAX_FIELDS,
    REQUEST_NAMES,
    REQUESTS,
    Names,
    parse_fields,
)

MARKS = "!#$%&'*+-.^_`|~"
CLAIMS = sorted(name.decode() for name in IDENTITY_NAMES)
FORWARDED_CLAIMS = [b"X_Forwarded_For", b"x.real.ip", b"X-Forwarded_Host", b"XFORWARDEDPROTO", b"X-Forwarded-Port",
                    b"X-Forwarded-Prefix", b"x_request_id", b"X-Original-URL", b"X-Rewrite-Url"]  # fmt: skip


def lines(fields) -> list[bytes]:
    return fields.joined().split(b"\r\n")[:-1]


def fresh() -> Names:
    """Its own memory of names, so that an example does not depend on the one before."""
    return Names(REQUEST_NAMES, aliases=True)


@st.composite
def spellings(draw):
    """An identity field's name in any case, with any marks of a token anywhere in it."""
    spelled = draw(st.text(MARKS, max_size=2))
    for letter in draw(st.sampled_from(CLAIMS)):
        spelled += draw(st.sampled_from((letter.upper(), letter.lower()))) + draw(st.text(MARKS, max_size=2))
    return spelled.encode()


@settings(max_examples=300, deadline=None)
@given(spellings(), st.booleans())
def test_identity_is_claimed_in_no_spelling(name, again):
    names = fresh()
    for _ in range(1 + again):
        fields = parse_fields(b"A: 1\r\n%b: admin\r\nB: 2" % name, names)
        assert lines(fields) == [b"A: 1", b"B: 2"]


@pytest.mark.parametrize("name", FORWARDED_CLAIMS, ids=bytes.decode)
def test_forwarding_is_claimed_in_no_spelling(name):
    assert lines(parse_fields(b"A: 1\r\n%b: 1.2.3.4" % name, fresh())) == [b"A: 1"]


@pytest.mark.parametrize(
    "name", [b"X-User-Identity", b"User-Id", b"X-Users-Id", b"X-Tenant", b"X-Userid2"], ids=bytes.decode
)
def test_what_only_looks_like_identity_crosses(name):
    assert lines(parse_fields(name + b": 1", fresh())) == [name + b": 1"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([b"One", b"TWO", b"three", b"X-Four"]), st.text("abc", max_size=3)), max_size=6),
    st.lists(st.sampled_from([b"one", b"Two", b"THREE", b"x-four", b"close", b"keep-alive", b""]), max_size=4),
    st.booleans(),
)  # fmt: skip
def test_what_connection_names_never_crosses(pairs, nominated, first):
    block = [b"%b: %b" % (name, value.encode()) for name, value in pairs]
    connection = b"Connection: " + b" ,\t".join(nominated)
    block = [connection, *block] if first else [*block, connection]
    fields = parse_fields(b"\r\n".join(block), fresh())
    gone = {option.lower() for option in nominated} - {b"close", b"keep-alive", b""}
    assert lines(fields) == [b"%b: %b" % (n, v.encode()) for n, v in pairs if n.lower() not in gone]
    assert fields.close == (b"close" in nominated)
    assert fields.keep_alive == (b"keep-alive" in nominated)


def test_several_connection_fields_name_what_all_of_them_name():
    fields = parse_fields(b"Connection: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nConnection: close, b", fresh())
    assert lines(fields) == [b"C: 3"]
    assert fields.close


def test_connection_cannot_take_the_framing_away():
    fields = parse_fields(b"Connection: content-length, host\r\nContent-Length: 3\r\nHost: a", fresh())
    assert fields.content_length == 3
    assert len(fields.special) == 1


HOPS = [
    b"Keep-Alive",
    b"Proxy-Connection",
    b"TE",
    b"Trailer",
    b"Upgrade",
    b"Proxy-Authorization",
    b"HTTP2-Settings",
]


@pytest.mark.parametrize("name", HOPS, ids=bytes.decode)
def test_hop_by_hop_fields_never_cross(name):
    assert lines(parse_fields(name + b": x\r\nA: 1", fresh())) == [b"A: 1"]
    if name != b"Proxy-Authorization":
        assert lines(parse_fields(name + b": x\r\nA: 1", ANSWERS)) == [b"A: 1"]


@pytest.mark.parametrize("name", [b"X-Service", b"X-Latency", b"X-Request-Id"], ids=bytes.decode)
def test_services_do_not_speak_in_our_name(name):
    assert lines(parse_fields(name + b": x\r\nA: 1", ANSWERS)) == [b"A: 1"]


def test_lines_cross_as_they_came():
    block = b"X-Odd:  two  blanks \r\nx-odd:\r\nX-ODD: \xff\t;"
    assert lines(parse_fields(block, fresh())) == block.split(b"\r\n")
    assert parse_fields(block, fresh()).get_all(b"x-odd") == [b"two  blanks", b"", b"\xff\t;"]


def test_reading_a_block_twice_gives_the_same():
    block = b"Host: a\r\nAccept: x\r\nX-User-Id: 1\r\nVia: 1.1 b\r\nContent-Length: 3"
    names = fresh()
    first, second = parse_fields(block, names), parse_fields(block, names)
    assert (first.kept, first.special, first.content_length) == (
        second.kept,
        second.special,
        second.content_length,
    )


def test_memory_of_names_and_lines_is_bounded():
    names = fresh()
    for n in range(5000):
        parse_fields(b"X-%d: y" % n, names)
    sizes = [len(getattr(names, slot)) for slot in names.__slots__ if isinstance(getattr(names, slot), dict)]
    assert max(sizes) <= 2048


def test_most_fields_are_a_hundred():
    block = b"\r\n".join(b"X-%d: y" % n for n in range(MAX_FIELDS))
    assert len(parse_fields(block, fresh()).kept) == MAX_FIELDS
    with pytest.raises(GatewayError) as refusal:
        parse_fields(block + b"\r\nA: 1", fresh())
    assert refusal.value.code == "head_too_large"


BAD = {b"X : y": "blank before the colon", b"X": "no colon", b": y": "no name", b" X: y": "folded", b"X\xff: y": "no token",  # noqa: E501
       b"X: a\x01": "control character", b"X: a\x7f": "DEL", b"X: a\nB: c": "bare LF", b"X: a\rB: c": "bare CR",
       b"Content-Length: ": "empty length", b"Content-Length: 1,1": "list of lengths", b"Content-Length: 0x1": "hex",
       b"Content-Length: 1 1": "two lengths", b"Content-Length: 1234567890123456789": "nineteen digits"}  # fmt: skip


@pytest.mark.parametrize("block", BAD, ids=lambda block: BAD[block])
def test_block_is_refused(block):
    for before in (b"", b"A: 1\r\n"):
        with pytest.raises(GatewayError) as refusal:
            parse_fields(before + block, REQUESTS)
        assert refusal.value.code == "bad_request"
