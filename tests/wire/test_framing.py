"""Where a body ends: payload and what follows it, for any portions in which it arrives."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.wire.fields import MAX_FIELDS
from gwproxy.wire.framing import (
    LAST_CHUNK,
    MAX_EXTENSION,
    MAX_EXTENSIONS,
    MAX_TRAILERS,
    ChunkDecoder,
    CloseDecoder,
    Decoder,
    LengthDecoder,
    chunk,
    decoder_for,
)
from gwproxy.wire.request import CHUNKED
from tests.support.pieces import byte_by_byte
from tests.wire.reading import chunked_bodies, cut, mutated


def decoded(decoder: Decoder, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Payload, and all that came behind the body."""
    payload = rest = b""
    for piece in pieces:
        if decoder.done:
            rest += piece
        elif piece:
            more, rest = decoder.feed(piece)
            payload += more
    return payload, rest


def refused(pieces: Iterable[bytes]) -> bool:
    try:
        decoded(ChunkDecoder(), pieces)
    except GatewayError as error:
        assert error.code in ("bad_request", "head_too_large")  # noqa: PT017
        return True
    return False


@settings(max_examples=300, deadline=None)
@given(st.data(), chunked_bodies(), st.binary(max_size=5))
def test_chunks_come_back_whole_in_any_pieces(data, body, after):
    payload, raw = body
    for pieces in ([raw + after], byte_by_byte(raw + after), data.draw(cut(raw + after))):
        decoder = ChunkDecoder()
        assert decoded(decoder, pieces) == (payload, after)
        assert decoder.done


@settings(max_examples=300, deadline=None)
@given(st.data(), mutated(chunked_bodies().map(lambda body: body[1])))
def test_broken_chunks_are_the_same_in_any_pieces(data, raw):
    whole = refused([raw])
    assert refused(byte_by_byte(raw)) == whole
    assert refused(data.draw(cut(raw))) == whole


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_what_we_write_in_chunks_is_what_we_read(pieces):
    raw = b"".join(map(chunk, pieces)) + LAST_CHUNK
    assert decoded(ChunkDecoder(), [raw]) == (b"".join(pieces), b"")


@settings(max_examples=100, deadline=None)
@given(st.data(), st.binary(min_size=1, max_size=40), st.binary(max_size=5))
def test_length_ends_a_body_exactly(data, payload, after):
    decoder = LengthDecoder(len(payload))
    assert decoded(decoder, data.draw(cut(payload + after))) == (payload, after)
    assert decoder.done


def test_body_that_ends_with_its_connection_is_never_done():
    decoder = CloseDecoder()
    assert decoded(decoder, [b"a", b"b"]) == (b"ab", b"")
    assert not decoder.done


@pytest.mark.parametrize(
    ("length", "kind"), [(0, LengthDecoder), (5, LengthDecoder), (CHUNKED, ChunkDecoder), (-2, CloseDecoder)]
)
def test_each_framing_has_its_decoder(length, kind):
    assert isinstance(decoder_for(length), kind)


def test_empty_body_is_done_at_once():
    assert decoder_for(0).done


END = b"0\r\n\r\n"
REFUSED = {
    "no digits": b"\r\n" + END,
    "blank before the size": b" 1\r\na\r\n" + END,
    "sign": b"+1\r\na\r\n" + END,
    "0x": b"0x1\r\na\r\n" + END,
    "no digit": b"g\r\na\r\n" + END,
    "thirteen digits": b"0000000000001\r\na\r\n" + END,
    "bare LF behind the size": b"1\na\r\n" + END,
    "CR in an extension": b"1;a\rb\r\na\r\n" + END,
    "NUL in an extension": b"1;a\x00b\r\na\r\n" + END,
    "data longer than its size": b"1\r\nab\r\n" + END,
    "bare LF behind the data": b"1\r\na\n" + END,
    "trailer without a colon": b"0\r\nX\r\n\r\n",
    "trailer with a bare LF": b"0\r\nX: y\n\r\n",
    "trailer folded": b"0\r\nX: y\r\n z\r\n\r\n",
    "extension too long": b"1;" + b"e" * MAX_EXTENSION + b"\r\na\r\n" + END,
    "extensions too long together": (b"1;" + b"e" * 200 + b"\r\na\r\n") * (MAX_EXTENSIONS // 201 + 1) + END,
    "trailer too long": b"0\r\nX: " + b"y" * MAX_TRAILERS + b"\r\n\r\n",
    "trailers too long together": b"0\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 9 + b"\r\n",
    "too many trailers": b"0\r\n" + b"X: y\r\n" * (MAX_FIELDS + 1) + b"\r\n",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_chunks_are_refused(raw):
    assert refused([raw])
    assert refused(byte_by_byte(raw))
    assert refused([raw[n : n + 1] for n in range(len(raw))])


ALLOWED = {
    "twelve digits": b"000000000001\r\na\r\n" + END,
    "capitals": b"0A\r\n0123456789\r\n" + END,
    "extension at its bound": b"1;" + b"e" * (MAX_EXTENSION - 1) + b"\r\na\r\n" + END,
    "most trailers": b"0\r\n" + b"X: y\r\n" * MAX_FIELDS + b"\r\n",
    "trailer at the bound": b"0\r\nX: " + b"y" * (MAX_TRAILERS - 3) + b"\r\n\r\n",
}


@pytest.mark.parametrize("way", [lambda raw: [raw], lambda raw: [raw[n : n + 1] for n in range(len(raw))]],
                         ids=["whole", "byte by byte"])  # fmt: skip
@pytest.mark.parametrize("raw", ALLOWED.values(), ids=ALLOWED)
def test_chunks_are_allowed(raw, way):
    decoder = ChunkDecoder()
    decoded(decoder, way(raw))
    assert decoder.done


@pytest.mark.parametrize(
    "raw", [b"1" * 13, b"1;" + b"e" * 2 * MAX_EXTENSION, b"0\r\nX: " + b"y" * 2 * MAX_TRAILERS]
)
def test_line_that_never_ends_is_refused_before_it_does(raw):
    assert refused(raw[n : n + 1] for n in range(len(raw)))
