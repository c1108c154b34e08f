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
    one.bytes_in, one.bytes_out, one.tries = draw(st.integers(0, 1 << 40)), 5, 1
    one.first_byte = 1000.25
    if draw(st.booleans()):
        one.error = draw(st.sampled_from([ValueError("x"), GatewayError("bad_gateway", "no", cause='a "b"\n'), None]))
        one.first_byte, one.tries = draw(st.sampled_from([0.0, 1000.25])), draw(st.integers(0, 2))
        one.connect_s, one.waited_s = draw(st.sampled_from([0.0, 2.5])), draw(st.sampled_from([0.0, 0.5]))
    one.reused = draw(st.booleans())
    return one


@given(exchanges(), seconds, st.floats(1e9, 4e9))
def test_line_is_the_record(one: Exchange, took_s: float, epoch: float):
    one.ended = 1000.0 + took_s
    line, made = Lines()([one], epoch)
    assert made == 1
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    said, record = json.loads(line), Record(one, epoch).as_dict()
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
    assert len(Lines()([one], 1e9)[0]) <= select.PIPE_BUF
    # And one that is made without a look at how long it is.
    about = FieldsOfRequest(b"Host: " + b"h" * 500 + b"\r\nUser-Agent: " + b'"' * 300)
    one.head = RequestHead(b"GET", b"/", 1, about, keep=True)
    one.sender.told, one.error = b"", None
    one.method, one.path, one.query = b"M" * 20, b"/" + b"x" * 1003, b""
    one.first_byte, one.tries, one.bytes_in, one.bytes_out = 1000.1, 1, 1 << 62, 1 << 62
    one.route = Route()
    one.service = one.target = "s" * 400
    line, _ = Lines()([one], 1e9)
    assert 3000 < len(line) <= select.PIPE_BUF
    assert json.loads(line)["path"] == one.path.decode()
    one.path = b"/" + b"x" * 8000
    assert len(Lines()([one], 1e9)[0]) <= select.PIPE_BUF


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("tries", 2, {"tries": 2}),
        ("connect_s", 0.5, {"connect_ms": 500.0}),
        ("waited_s", 0.5, {"waited_ms": 500.0}),
        ("first_byte", 0.0, {"first_byte_ms": None}),
        ("error", GatewayError("bad_gateway", "no", cause="why"), {"cause": "why"}),
        ("reused", True, {"reused": True}),
    ],
)
def test_line_of_a_request_that_is_unusual_in_one_thing_says_so(name: str, value: object, told: dict[str, object]):
    about = FieldsOfRequest(b"Host: a")
    one = Exchange(RequestHead(b"GET", b"/", 1, about, keep=True), Sender(), 1.0)
    one.first_byte, one.tries, one.ended = 1.25, 1, 1.5
    usual = json.loads(Lines()([one], 1e9)[0])
    setattr(one, name, value)
    assert json.loads(Lines()([one], 1e9)[0]) == {**usual, **told}
    assert usual.items() != {**usual, **told}.items()


@given(st.lists(exchanges(), max_size=5))
def test_many_lines_are_the_lines_of_each(ended: list[Exchange]):
    together, made = Lines()(ended, 1e9)
    assert together == b"".join(Lines()([one], 1e9)[0] for one in ended)
    assert made == len(ended)


def test_what_cannot_be_told_of_one_costs_no_other_its_line(caplog):
    about = FieldsOfRequest(b"Host: a")
    ended = [Exchange(RequestHead(b"GET", b"/", 1, about, keep=True), Sender(), 1.0) for _ in range(3)]
    ended[1].path = None  # type: ignore[assignment]
    lines, made = Lines()(ended, 1e9)
    assert (lines.count(b"\n"), made) == (2, 2)
    assert [record.getMessage() for record in caplog.records] == ["a line of the access log could not be made"]


def test_sender_is_rendered_once():
    about = FieldsOfRequest(b"Host: a\r\nUser-Agent: b")
    sender, lines = Sender("192.0.2.7", b"http", b""), Lines()
    for _ in range(2):
        head = RequestHead(b"GET", b"/", 1, about, keep=True)
        line = json.loads(lines([Exchange(head, sender, 1.0)], 1e9)[0])
        assert (line["address"], line["user_agent"], line["host"]) == ("192.0.2.7", "b", "a")
    assert sender.told
