"""Heads of answers, fed whole and byte by byte; and what is remembered of the last one."""

from __future__ import annotations

import pytest

from gwproxy.errors import GatewayError
from gwproxy.wire.answer import AnswerHead, AnswerReceiver

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\n"


def fed(receiver: AnswerReceiver, data: bytes, size: int) -> list[AnswerHead]:
    """The heads in `data`, which comes in pieces of `size` bytes."""
    found = []
    for at in range(0, len(data), size):
        head = receiver.head(data[at : at + size])
        while head is not None:
            found.append(head)
            head = receiver.head(b"") if receiver.held and head.status < 200 else None
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(HEAD)])
def test_head_in_pieces_is_the_head(size: int):
    receiver = AnswerReceiver()
    receiver.expect(b"GET")
    assert not receiver.answered
    [head] = fed(receiver, HEAD, size)
    assert (head.status, head.length, head.lines) == (200, 3, b"X-A: b\r\n")
    assert receiver.answered


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_interim_heads_come_before_the_answers_own(size: int):
    receiver = AnswerReceiver()
    receiver.expect(b"GET")
    heads = fed(receiver, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2 + HEAD, size)
    assert [(head.status, head.lines) for head in heads] == [(103, b"Link: x\r\n")] * 2 + [
        (200, b"X-A: b\r\n")
    ]


def test_same_head_means_the_same_and_is_read_once():
    receiver = AnswerReceiver()
    for _ in range(2):
        receiver.expect(b"GET")
        [head] = fed(receiver, HEAD, 1000)
        receiver.held = b""
    first = head
    receiver.expect(b"GET")
    [again] = fed(receiver, HEAD, 1000)
    assert again is first


def test_same_head_means_another_length_as_the_answer_to_head():
    receiver = AnswerReceiver()
    lengths = []
    for method in (b"GET", b"HEAD", b"HEAD", b"GET"):
        receiver.expect(method)
        [head] = fed(receiver, HEAD, 1000)
        receiver.held = b""
        lengths.append(head.length)
    assert lengths == [3, 0, 0, 3]


def test_head_that_broke_a_rule_is_not_remembered():
    receiver = AnswerReceiver()
    for _ in range(2):
        receiver.expect(b"GET")
        with pytest.raises(GatewayError):
            receiver.head(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
        receiver.held = b""
