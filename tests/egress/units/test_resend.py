"""When a request that died with its connection may be sent once more (RFC 9110 section 9.2.2)."""

from __future__ import annotations

import itertools

import pytest

from gwproxy.egress.request import IDEMPOTENT, Request, may_resend
from gwproxy.wire.flow import Body

ASKED = ("idempotent", "written", "reused", "answered", "replayable")
# The three of the thirty-two in which it may.
MAY = {
    # idempotent, written, reused, answered, replayable
    (True, True, True, False, True): "idempotent: the service may see it twice",
    (True, False, True, False, True): "idempotent, and nothing of it was written",
    (False, False, True, False, True): "not idempotent, but nothing of it was written",
}


@pytest.mark.parametrize(
    "case", list(itertools.product((True, False), repeat=5)), ids=lambda case: "".join("ny"[x] for x in case)
)
def test_truth_table(case):
    assert may_resend(**dict(zip(ASKED, case, strict=True))) == (case in MAY)


def test_idempotent_methods_are_those_of_the_rfc():
    assert {b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"} == IDEMPOTENT


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"POST", b"PATCH", b"PURGE"], ids=bytes.decode)
def test_only_whole_bodies_of_idempotent_methods_are_replayable(method):
    request = Request(method, b"/", b"")
    assert request.replayable == (method in (b"GET", b"PUT"))
    request.body = Body(None, 3)
    assert not request.replayable
