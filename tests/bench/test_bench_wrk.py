"""What the bench reads out of wrk's report."""

import pytest

from bench.wrk import parse

CLEAN = """Running 1s test @ http://127.0.0.1:18001/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.61ms  432.67us   9.02ms   88.59%
    Req/Sec    39.89k     2.41k   43.01k    80.00%
  Latency Distribution
     50%    1.55ms
     75%    1.72ms
     90%    1.94ms
     99%  900.00us
  39702 requests in 1.00s, 14.96MB read
Requests/sec:  39684.81
Transfer/sec:     14.95MB
"""


def test_rate_count_and_percentiles_are_read():
    report = parse(CLEAN)
    assert (report.rate, report.requests, report.faults) == (39684.81, 39702, "")
    assert (report.p50_s, report.p99_s) == pytest.approx((0.00155, 0.0009))


@pytest.mark.parametrize(
    "line",
    ["  Non-2xx or 3xx responses: 12", "  Socket errors: connect 0, read 3, write 0, timeout 1"],
)
def test_any_error_is_a_fault(line: str):
    text = CLEAN.replace("Requests/sec", f"{line}\nRequests/sec")
    assert parse(text).faults == line.strip()


def test_no_answers_at_all_are_a_fault():
    assert parse(CLEAN.replace("39702 requests", "0 requests")).faults


def test_unreadable_report_is_a_fault():
    assert parse("wrk: cannot connect").faults
