"""Status lines: RFC 9110's phrases, whatever Python's own table says."""

from __future__ import annotations

import http

import pytest

from gwproxy.errors import WORDS
from gwproxy.replies import status_line

# Titles that say more than their status does.
OF_THEIR_OWN = {"ambiguous_path", "unauthenticated", "tenant_missing", "unsupported_version", "version_gone"}


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
    ],
)
def test_phrase_is_the_one_of_rfc_9110_on_every_python(status, phrase):
    assert status_line(status) == f"HTTP/1.1 {status} {phrase}\r\n".encode()


@pytest.mark.parametrize("word", sorted(WORDS.keys() - OF_THEIR_OWN))
def test_status_line_and_title_agree(word):
    status, title = WORDS[word]
    assert status_line(status) == f"HTTP/1.1 {status} {title}\r\n".encode()


def test_status_without_a_phrase_has_an_empty_one():
    assert 599 not in {status.value for status in http.HTTPStatus}
    assert status_line(599) == b"HTTP/1.1 599 \r\n"
