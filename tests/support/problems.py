"""The form of every answer that the gateway itself makes."""

from __future__ import annotations

from tests.support.client import Answer

KEYS = {"type", "title", "status", "detail", "error", "code", "request_id"}
CANARY = b"canary"
"""Stands in bad requests where an answer might repeat what it was sent."""

CODES = {
    400: {"bad_request", "ambiguous_path"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    408: {"request_timeout"},
    413: {"body_too_large"},
    414: {"uri_too_long"},
    417: {"expectation_failed"},
    431: {"head_too_large"},
    501: {"unsupported_transfer_coding"},
    502: {"bad_gateway"},
    504: {"upstream_timeout"},
    505: {"http_version"},
    508: {"loop_detected"},
}


def assert_problem(answer: Answer, code: str | None = None) -> None:
    """One of the gateway's own answers, whole, and with nothing of what was sent."""
    assert answer.clean, answer
    assert answer.header("Content-Type") == "application/problem+json", answer.headers.lines
    told = answer.json()
    assert set(told) >= KEYS, told
    assert told["status"] == answer.status
    assert told["error"] == told["detail"]
    assert told["code"] in CODES[answer.status], told
    assert code is None or told["code"] == code, told
    assert told["request_id"] == answer.header("X-Request-Id"), answer.headers.lines
    assert CANARY not in answer.raw_head + answer.body, "the answer repeats what it was sent"
