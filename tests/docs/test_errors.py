"""The table of docs/errors.md is that of gwproxy/errors.py."""

from __future__ import annotations

import re

import orjson

from gwproxy.errors import WORDS, GatewayError
from gwproxy.replies import problem
from tests.docs.pages import ROOT, text_of

PAGE = text_of(ROOT / "docs" / "errors.md")
ROWS = re.findall(r"^\| `(\w+)` \| (\d+) \| ([^|]+?) \|", PAGE, re.MULTILINE)


def test_table_has_every_word_in_its_order():
    assert [(word, int(status), title) for word, status, title in ROWS] == [
        (word, status, title) for word, (status, title) in WORDS.items()
    ]


def test_body_that_the_page_shows_is_the_one_that_is_sent():
    shown = orjson.loads(re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)[0])
    reply = problem(GatewayError("not_found", "Not Found"), shown["request_id"].encode())
    assert isinstance(reply.body, bytes)
    assert orjson.loads(reply.body) == shown
    assert f"Content-Length: {reply.length}\n" in PAGE
    assert all(line in PAGE for line in reply.lines.decode().splitlines())


CLOSES = {
    "bad_request", "request_timeout", "body_too_large", "uri_too_long", "expectation_failed", "head_too_large",
    "internal_error", "unsupported_transfer_coding", "too_many_connections", "http_version",
}  # fmt: skip


def test_page_says_which_close_the_connection():
    """tests/http has these over real connections; here the page is held to the same list."""
    told = set(re.findall(r"^\| `(\w+)` .*\| closes \|$", PAGE, re.MULTILINE))
    assert told == CLOSES
