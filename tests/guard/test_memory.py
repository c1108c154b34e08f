"""What is remembered to save work never holds what is one caller's own, and never more than it may."""

from __future__ import annotations

import pytest

from gwproxy.wire.fields import ANSWERS, REQUESTS, parse_fields

SECRETS = (
    b"Authorization: Bearer one-callers-own",
    b"COOKIE: sid=one-callers-own",
    b"X-Api-Key: one-callers-own",
    b"If-None-Match: one-callers-own",
)


@pytest.mark.parametrize("line", SECRETS, ids=lambda line: line.partition(b":")[0].decode())
def test_callers_own_line_is_not_remembered(line: bytes):
    for _ in range(2):
        assert parse_fields(b"Accept: */*\r\n" + line, REQUESTS).joined().endswith(line + b"\r\n")
    assert [known for known in REQUESTS.lines if b"one-callers-own" in known] == []


def test_cookie_that_a_service_sets_is_not_remembered():
    for _ in range(2):
        parse_fields(b"Set-Cookie: sid=one-callers-own; HttpOnly", ANSWERS)
    assert [known for known in ANSWERS.lines if b"one-callers-own" in known] == []


def test_long_line_is_not_remembered():
    parse_fields(b"X-Long: " + b"l" * 200, REQUESTS)
    assert [known for known in REQUESTS.lines if known.startswith(b"X-Long")] == []
