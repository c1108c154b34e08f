"""httptools as a second opinion: what we accept, it accepts too, and reads in it what we read.

We refuse more, on purpose: two Hosts or none, unknown expectations, other codings than chunked, CONNECT and TRACE,
targets that are neither path nor agree with Host, oversized heads, control characters, digits of other versions.
The other way round there are three differences by design: we take any token as a method, httptools knows a list, so
only methods of its list are compared; we take bytes of UTF-8 in a target, which many callers send as they are; and the
blanks that RFC 9112 section 7.1.1 allows before a chunk extension.
httptools keeps blanks at the end of values, which RFC 9110 section 5.5 excludes.
"""

from __future__ import annotations

import re

import httptools
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.wire.answer import UNTIL_CLOSE, answer_head
from gwproxy.wire.fields import REQUESTS, parse_fields
from gwproxy.wire.framing import ChunkDecoder, decoder_for
from gwproxy.wire.receiver import BODY, Receiver
from gwproxy.wire.request import CHUNKED
from tests.wire.reading import MAX_HEAD, chunked_bodies, mutated, names, plain_fields, requests, values


class Heard:
    """What httptools tells of one message."""

    def __init__(self) -> None:
        self.target = b""
        self.reason = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.head_whole = False
        self.whole = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_whole:
            self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.head_whole = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True


def heard_request(raw: bytes) -> tuple[Heard, bytes, str, bool]:
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    return heard, parser.get_method(), parser.get_http_version(), parser.should_keep_alive()


def lines_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """The field lines as any reader of RFC 9112 section 5 sees them."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return [(name, value.strip(b" \t")) for name, _, value in pairs]


@settings(max_examples=400, deadline=None)
@given(requests() | mutated(requests()))
def test_request_that_we_accept_is_the_same_to_httptools(raw):
    receiver = Receiver(MAX_HEAD)
    try:
        head = receiver.head(raw)
    except GatewayError as error:
        event(f"refused: {error.code}")
        return
    if head is None:
        event("not whole")
        return
    event("accepted")
    # An empty line before the request is no part of it.
    block = raw.removeprefix(b"\r\n").split(b"\r\n\r\n")[0]
    assume(head.method in KNOWN and head.target.isascii())
    heard, method, version, _ = heard_request(block + b"\r\n\r\n")
    assert heard.head_whole
    assert method == head.method
    assert heard.target == block.split(b" ")[1]
    assert version == f"1.{head.minor}"
    assert heard.fields == lines_of(block)
    assert set(head.fields.joined().split(b"\r\n")[:-1]) <= set(block.split(b"\r\n")[1:])
    assert receiver.state != BODY or head.length != 0


BLANK_IN_SIZE = re.compile(rb"\n[0-9A-Fa-f]+[ \t]+[;\r]")
KNOWN = frozenset((b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD", b"PURGE"))


@settings(max_examples=200, deadline=None)
@given(requests())
def test_body_of_a_request_is_the_same_to_httptools(raw):
    assume(BLANK_IN_SIZE.search(raw) is None)
    receiver = Receiver(MAX_HEAD)
    head = receiver.head(raw)
    assert head is not None
    rest, receiver.held = receiver.held, b""
    payload = receiver.body(rest) if receiver.state == BODY and rest else b""
    heard, _, _, _ = heard_request(raw)
    assert heard.whole
    assert payload == heard.body


REFUSED_BY_US = {
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "HTTP/0.9's version": b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    "HTTP/2.0 in a line": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "fragment": b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "another authority": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "two equal lengths": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
}


@pytest.mark.parametrize("raw", REFUSED_BY_US.values(), ids=REFUSED_BY_US)
def test_what_httptools_lets_through_and_we_do_not(raw):
    """Should httptools begin to refuse one of these, the list above may shrink."""
    assert heard_request(raw)[0].head_whole
    with pytest.raises(GatewayError):
        Receiver(MAX_HEAD).head(raw)


# -- answers

statuses = st.sampled_from([200, 201, 204, 206, 301, 304, 404, 500, 503, 599])
reasons = st.sampled_from([b" OK", b" ", b" Not Found", b" very (odd); reason"])


@st.composite
def answers(draw):
    """One valid answer to a GET, as bytes, with its payload."""
    status = draw(statuses)
    bare = status in (204, 304)
    lines = [b"HTTP/1.1 %d" % status + draw(reasons)]
    lines += [name + b":" + blank + value for name, blank, value in draw(st.lists(plain_fields, max_size=5))]
    payload = b"" if bare else draw(st.binary(max_size=60))
    kind = draw(st.sampled_from(["length", "chunked"]))
    body = b""
    if kind == "length" or bare:
        body = payload
        if not bare:
            lines.append(b"Content-Length: %d" % len(payload))
    else:
        payload, body = draw(chunked_bodies(payload))
        lines.append(b"Transfer-Encoding: chunked")
    if draw(st.booleans()):
        lines.append(b"Connection: " + draw(st.sampled_from([b"keep-alive", b"close"])))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@settings(max_examples=300, deadline=None)
@given(answers() | mutated(answers()))
def test_answer_that_we_accept_is_the_same_to_httptools(raw):
    block, end, rest = raw.partition(b"\r\n\r\n")
    assume(end and BLANK_IN_SIZE.search(raw) is None)
    try:
        head = answer_head(block, b"GET")
        decoder = decoder_for(head.length)
        payload = decoder.feed(rest)[0] if not decoder.done else b""
    except GatewayError:
        event("refused")
        return
    event("accepted")
    assume(head.status not in (100, 101) and head.status >= 200)
    heard = Heard()
    parser = httptools.HttpResponseParser(heard)
    try:
        parser.feed_data(block + b"\r\n\r\n" + (rest if head.length else b""))
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        # What stands in a chunk extension is dropped unread here; httptools checks its grammar. We may wait for the end of what it refuses at once, and it may judge bytes that follow the message.  # noqa: E501
        assert heard.whole or not decoder.done or "chunk extension" in str(error)  # noqa: PT017
        return
    assert heard.head_whole
    assert parser.get_status_code() == head.status
    assert heard.fields == lines_of(block)
    if head.length != UNTIL_CLOSE and decoder.done:
        assert heard.body == payload
    if head.length == CHUNKED:
        assert isinstance(decoder, ChunkDecoder)
        assert heard.whole == decoder.done


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(names, values), min_size=1, max_size=8))
def test_field_block_gives_fields_or_a_refusal(pairs):
    block = b"\r\n".join(name + b": " + value for name, value in pairs)
    try:
        fields = parse_fields(block, REQUESTS)
    except GatewayError:
        return
    assert len(fields.kept) <= len(pairs)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([b"GET", b"HEAD"]))
def test_any_bytes_give_an_answer_or_a_bad_gateway(raw, method):
    for block in (raw, b"HTTP/1.1 200 OK\r\n" + raw):
        try:
            answer_head(block, method)
        except GatewayError as error:
            assert error.code == "bad_gateway"  # noqa: PT017
