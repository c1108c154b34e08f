"""A line of the access log says what the record says, is one line whatever was asked, and fits into a pipe."""

from __future__ import annotations

import json
import select
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.telemetry.line import Lines
from gwproxy.telemetry.record import Record
from gwproxy.wire.request import FieldsOfRequest, RequestHead

anything = st.binary(max_size=60)
seconds = st.floats(0, 1e4)


class Route:
    template = '/a/:b"\\'
    secrets: tuple[int, ...] = ()


class Secretive(Route):
    secrets = (0, 2)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    agent = draw(anything).translate(None, bytes((*range(9), *range(10, 32), 127)))
    about = FieldsOfRequest(b"Host: shop.example.com:8080\r\nUser-Agent: " + agent)
    head = RequestHead(b"GET", b"/" + draw(anything) + b"?" + draw(anything), 1, about, keep=True)
    one = Exchange(head, Sender("2001:db8::7", b"http", b""), 1000.0)
    one.request_id = one.correlation_id = b"0-1"
    one.route = draw(st.sampled_from([None, Route(), Secretive()]))
    one.raw = draw(st.lists(anything, min_size=3, max_size=4))
    one.service = draw(st.sampled_from(["", "users"]))
    one.target = draw(st.sampled_from(["", "[::1]:80"]))
    one.code = draw(st.sampled_from(["", "bad_gateway"]))
    one.status = draw(st.integers(100, 599))
    one.error = draw(st.sampled_from([None, ValueError("x"), GatewayError("bad_gateway", "no", cause='a "b"\n')]))
    one.bytes_in, one.bytes_out, one.tries = draw(st.integers(0, 1 << 40)), 5, 2
    one.first_byte = draw(st.sampled_from([0.0, 1000.25]))
    one.connect_s, one.waited_s = draw(seconds), draw(st.sampled_from([0.0, 0.5]))
    one.reused = draw(st.booleans())
    return one


@given(exchanges(), seconds, st.floats(1e9, 4e9))
def test_line_is_the_record(one: Exchange, took_s: float, wall: float):
    now = 1000.0 + took_s
    line = Lines()(one, now, wall)
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    said, record = json.loads(line), Record(one, now, wall).as_dict()
    stamp = datetime.fromisoformat(said.pop("time").replace("Z", "+00:00")).astimezone(UTC).timestamp()
    assert stamp == pytest.approx(record.pop("time"), abs=0.0021)
    times = [name for name in record if name.endswith("_ms") and record[name] is not None]
    for name in times:
        assert said.pop(name) == pytest.approx(record.pop(name), abs=0.002)
    assert said == record
    assert list(said) == list(record)


def test_longest_line_goes_into_one_write_to_a_pipe():
    about = FieldsOfRequest(b"Host: " + b"h" * 2000 + b"\r\nUser-Agent: " + b'"' * 5000)
    head = RequestHead(b"M" * 3000, b"/" + b"\xff" * 8000, 1, about, keep=True)
    one = Exchange(head, Sender("192.0.2.7", b"http", b""), 1000.0)
    one.request_id = one.correlation_id = b"x" * 128
    one.error = GatewayError("bad_gateway", "no", cause="\x01" * 5000)
    assert len(Lines()(one, 1001.0, 1e9)) <= select.PIPE_BUF


def test_sender_is_rendered_once():
    about = FieldsOfRequest(b"Host: a\r\nUser-Agent: b")
    sender, lines = Sender("192.0.2.7", b"http", b""), Lines()
    for _ in range(2):
        head = RequestHead(b"GET", b"/", 1, about, keep=True)
        line = json.loads(lines(Exchange(head, sender, 1.0), 2.0, 1e9))
        assert (line["address"], line["user_agent"], line["host"]) == ("192.0.2.7", "b", "a")
    assert sender.told
