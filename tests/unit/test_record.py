"""What the record of an exchange tells, and what it keeps to itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.telemetry.record import SECRET, SECRET_QUERY, Record, Recorder, redacted
from gwproxy.wire.receiver import Receiver

HEAD = b"GET %b HTTP/1.1\r\nHost: a.test\r\nUser-Agent: probe/1\r\n\r\n"


def exchange(target: bytes = b"/x?y=1") -> Exchange:
    head = Receiver(32768).head(HEAD % target)
    assert head is not None
    one = Exchange(head, Sender("192.0.2.7", b"http", b"a.test"), 100.0)
    one.request_id = b"r-1"
    one.status = 200
    return one


@pytest.mark.parametrize("name", sorted(SECRET_QUERY))
def test_values_of_secrets_are_taken_out(name):
    query = b"?a=1&%b=hush&b=2" % name.encode()
    assert redacted(query) == b"?a=1&%b=[redacted]&b=2" % name.encode()
    assert b"hush" not in redacted(b"?%b=hush=hush" % name.encode())


@pytest.mark.parametrize("name", [b"TOKEN", b"Api-Key", b"access-token", b"API_KEY"], ids=bytes.decode)
def test_secrets_are_known_in_other_spellings(name):
    assert redacted(b"?%b=hush" % name) == b"?%b=[redacted]" % name


@pytest.mark.parametrize(
    "query", [b"", b"?", b"?a", b"?a=1&b", b"?tokens=1", b"?a=token", b"?&&", b"?token"], ids=repr
)
def test_query_without_secrets_is_as_it_came(query):
    assert redacted(query) == query


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"token", b"b"]), st.binary(max_size=5)), max_size=5))
def test_redaction_touches_nothing_but_the_secrets(pairs):
    clean = [(name, value.replace(b"&", b"")) for name, value in pairs]
    query = b"?" + b"&".join(name + b"=" + value for name, value in clean)
    shown = b"?" + b"&".join(
        name + b"=" + (SECRET.encode() if name == b"token" else value) for name, value in clean
    )
    assert redacted(query) == (shown if b"=" in query else query)


def test_record_tells_times_from_the_exchanges_start():
    one = exchange()
    one.first_byte = 100.0125
    one.connect_s, one.waited_s = 0.0005, 0.25
    record = Record(one, 100.5, 5000.0)
    assert (record.total_ms, record.first_byte_ms, record.connect_ms, record.waited_ms) == (
        500.0,
        12.5,
        0.5,
        250.0,
    )
    assert record.time == 4999.5
    assert Record(exchange(), 100.5, 5000.0).first_byte_ms is None


def test_record_tells_who_asked_for_what():
    one = exchange(b"/p%20q?token=hush&z=1")
    record = Record(one, 101.0, 0.0)
    told = (record.method, record.host, record.path, record.address, record.user_agent, record.request_id)
    assert told == ("GET", "a.test", "/p%20q?token=[redacted]&z=1", "192.0.2.7", "probe/1", "r-1")
    assert (record.route, record.service, record.target, record.code) == (None, None, None, None)


def test_record_tells_the_cause_that_the_caller_is_not_told():
    one = exchange()
    one.code, one.error = "bad_gateway", GatewayError("bad_gateway", "Request to x failed", cause="refused")
    record = Record(one, 101.0, 0.0)
    assert (record.code, record.cause) == ("bad_gateway", "refused")


def test_record_has_every_field_in_one_order():
    told = Record(exchange(), 101.0, 0.0).as_dict()
    assert sorted(told) == sorted(Record.__slots__)
    assert next(iter(told)) == "time"


def test_bytes_that_are_no_text_stay_readable():
    assert Record(exchange(b"/\xff\xfe"), 101.0, 0.0).path == "/\\xff\\xfe"


def test_counters_add_up():
    record = Recorder(lambda: 101.0, None)
    for status, code in (
        (200, ""),
        (200, ""),
        (502, "bad_gateway"),
        (499, "client_closed"),
        (502, "bad_gateway"),
    ):
        one = exchange()
        one.status, one.code, one.tries, one.bytes_in, one.bytes_out = status, code, 2, 3, 5
        record(one)
    counters = record.counters
    assert (counters.exchanges, counters.tries, counters.bytes_in, counters.bytes_out) == (5, 10, 15, 25)
    assert (counters.by_status[200], counters.by_status[502], counters.by_status[499]) == (2, 2, 1)
    assert counters.by_code == {"bad_gateway": 2, "client_closed": 1}


def test_recorder_counts_also_where_nobody_wants_records():
    taken: list[Record] = []
    loud = Recorder(lambda: 101.0, lambda one, now, wall: taken.append(Record(one, now, wall)))
    quiet = Recorder(lambda: 101.0, None)
    quiet(exchange())
    loud(exchange())
    assert (quiet.counters.exchanges, loud.counters.exchanges) == (1, 1)
    assert [record.total_ms for record in taken] == [1000.0]
