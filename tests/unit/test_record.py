"""What the record of an exchange tells, and what it keeps to itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.telemetry.histogram import quantile
from gwproxy.telemetry.record import AT_ONCE, Record, Recorder
from gwproxy.telemetry.secrets import ALWAYS, SECRET, folded, secret_names, without_secrets, without_segments
from gwproxy.wire.receiver import Receiver

HEAD = b"GET %b HTTP/1.1\r\nHost: a.test\r\nUser-Agent: probe/1\r\n\r\n"


def exchange(target: bytes = b"/x?y=1") -> Exchange:
    head = Receiver(32768).head(HEAD % target)
    assert head is not None
    one = Exchange(head, Sender("192.0.2.7", b"http", b"a.test"), 100.0)
    one.request_id = b"r-1"
    one.status = 200
    return one


@pytest.mark.parametrize("name", sorted(ALWAYS))
def test_values_of_secrets_are_taken_out(name):
    query = b"?a=1&%b=hush&b=2" % name.encode()
    assert without_secrets(query) == b"?a=1&%b=[redacted]&b=2" % name.encode()
    assert b"hush" not in without_secrets(b"?%b=hush=hush" % name.encode())


@pytest.mark.parametrize("name", [b"TOKEN", b"Api-Key", b"access-token", b"API_KEY"], ids=bytes.decode)
def test_secrets_are_known_in_other_spellings(name):
    assert without_secrets(b"?%b=hush" % name) == b"?%b=[redacted]" % name


@pytest.mark.parametrize(
    "query", [b"", b"?", b"?a", b"?a=1&b", b"?tokens=1", b"?a=token", b"?&&", b"?token"], ids=repr
)
def test_query_without_secrets_is_as_it_came(query):
    assert without_secrets(query) == query


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"token", b"b"]), st.binary(max_size=5)), max_size=5))
def test_redaction_touches_nothing_but_the_secrets(pairs):
    clean = [(name, value.replace(b"&", b"")) for name, value in pairs]
    query = b"?" + b"&".join(name + b"=" + value for name, value in clean)
    shown = b"?" + b"&".join(name + b"=" + (SECRET if name == b"token" else value) for name, value in clean)
    assert without_secrets(query) == (shown if b"=" in query else query)


def test_further_names_are_secret_too_and_the_known_ones_stay():
    names = secret_names(["Session-ID"])
    assert without_secrets(b"?session_id=a&SESSION-Id=b&token=c&d=e", names) == (
        b"?session_id=[redacted]&SESSION-Id=[redacted]&token=[redacted]&d=e"
    )
    assert {folded("API-Key"), "token"} <= names


@given(
    st.lists(st.binary(max_size=5).map(lambda each: each.replace(b"/", b"")), min_size=1, max_size=6),
    st.data(),
)
def test_segments_are_taken_out_one_by_one(raw, data):
    secrets = data.draw(st.sets(st.integers(0, len(raw) - 1)))
    shown = without_segments(raw, tuple(secrets)).split(b"/")[1:]
    assert shown == [SECRET if at in secrets else each for at, each in enumerate(raw)]


def test_recorder_counts_how_long_it_took_by_service():
    record = Recorder(lambda: 101.0, None)
    served, own = exchange(), exchange()
    served.service, served.first_byte = "users", 100.25
    for each in (served, served, own):
        record(each)
    timings = record.counters.by_service
    assert sorted(timings) == ["", "users"]
    assert [sum(timings[name].total.values()) for name in ("", "users")] == [1, 2]
    assert [sum(timings[name].first_byte.values()) for name in ("", "users")] == [0, 2]
    assert quantile(timings["users"].total, 0.5) == pytest.approx(1.0, rel=0.07)
    assert quantile(timings["users"].first_byte, 0.5) == pytest.approx(0.25, rel=0.07)


def test_record_tells_times_from_the_exchanges_start():
    one = exchange()
    one.first_byte = 100.0125
    one.connect_s, one.waited_s = 0.0005, 0.25
    one.ended = 100.5
    record = Record(one, 4899.5)
    assert (record.total_ms, record.first_byte_ms, record.connect_ms, record.waited_ms) == (
        500.0,
        12.5,
        0.5,
        250.0,
    )
    assert record.time == 4999.5
    assert Record(exchange(), 4899.5).first_byte_ms is None


def test_record_tells_who_asked_for_what():
    one = exchange(b"/p%20q?token=hush&z=1")
    record = Record(one, 0.0)
    told = (record.method, record.host, record.path, record.address, record.user_agent, record.request_id)
    assert told == ("GET", "a.test", "/p%20q?token=[redacted]&z=1", "192.0.2.7", "probe/1", "r-1")
    assert (record.route, record.service, record.target, record.code) == (None, None, None, None)


def test_record_tells_the_cause_that_the_caller_is_not_told():
    one = exchange()
    one.code, one.error = "bad_gateway", GatewayError("bad_gateway", "Request to x failed", cause="refused")
    record = Record(one, 0.0)
    assert (record.code, record.cause) == ("bad_gateway", "refused")


def test_record_has_every_field_in_one_order():
    told = Record(exchange(), 0.0).as_dict()
    assert sorted(told) == sorted(Record.__slots__)
    assert next(iter(told)) == "time"


def test_bytes_that_are_no_text_stay_readable():
    assert Record(exchange(b"/\xff\xfe"), 0.0).path == "/\\xff\\xfe"


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
    loud = Recorder(
        lambda: 101.0, lambda ended, epoch: taken.extend(Record(one, epoch) for one in ended), lambda: 5001.0
    )
    quiet = Recorder(lambda: 101.0, None)
    quiet(exchange())
    loud(exchange())
    assert (quiet.counters.exchanges, loud.counters.exchanges) == (1, 1)
    assert [(record.total_ms, record.time) for record in taken] == [(1000.0, 5000.0)]


def test_recorder_hands_on_as_soon_as_many_have_ended_each_once_and_in_order():
    taken: list[list[Exchange]] = []
    record = Recorder(lambda: 101.0, lambda ended, epoch: taken.append(ended))
    all_of_them = [exchange() for _ in range(AT_ONCE + 3)]
    for one in all_of_them:
        record(one)
    assert [len(some) for some in taken] == [AT_ONCE]
    record.settle()
    record.settle()
    assert [one for some in taken for one in some] == all_of_them
    assert record.counters.exchanges == AT_ONCE + 3
