"""Dictionaries of structured fields: what is read, how it is written again, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.signatures.structured import (
    MAX_SIZE,
    InnerList,
    Item,
    Malformed,
    Token,
    parse_dictionary,
    write_member,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-999999999999999", -999_999_999_999_999),
        ("1.5", Decimal("1.5")),
        ('"a \\"b\\" \\\\c"', 'a "b" \\c'),
        ('""', ""),
        ("foo123/456", Token("foo123/456")),
        ("*foo", Token("*foo")),
        (":cHJldGVuZA==:", b"pretend"),
        ("::", b""),
        ("?1", True),
        ("?0", False),
    ],
)
def test_each_type_of_value_is_read_and_written_as_it_was(text, value):
    members = parse_dictionary([f"a={text}".encode()])
    assert members == {"a": Item(value, {})}
    assert type(members["a"].value) is type(value)
    assert write_member(members["a"]) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("007", "7"),
        ("-0", "0"),
        ("001.500", "1.5"),
        ("-1.0", "-1.0"),
        ("-0.00", "0.0"),
        ("( 1  2 )", "(1 2)"),
        ("()", "()"),
        ('("a";b "c";d=?1;e=?0);f;  g=2', '("a";b "c";d;e=?0);f;g=2'),
    ],
)
def test_there_is_one_way_to_write_a_member(text, written):
    assert write_member(parse_dictionary([f"a={text}".encode()])["a"]) == written


def test_a_member_without_a_value_is_true():
    assert parse_dictionary([b"a;b=1, c"]) == {"a": Item(True, {"b": 1}), "c": Item(True, {})}


def test_lines_of_a_field_are_one_dictionary():
    assert list(parse_dictionary([b"a=1", b"b=2 ,\tc=3"])) == ["a", "b", "c"]
    assert parse_dictionary([]) == {}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((b"a=1", b"a=2"), "came before"),
        ((b"a;b=1;b=2",), "came before"),
        ((b"a=(1;b;b)",), "came before"),
        ((b"a=1,",), "no key"),
        ((b",a=1",), "no key"),
        ((b"a=1,,b=2",), "no key"),
        ((b"a=1", b""), "no key"),
        ((b"A=1",), "no key"),
        ((b"a=1 b=2",), "no comma"),
        ((b"a=",), "no value"),
        ((b"a= 1",), "no value"),
        ((b"a=1234567890123456",), "no value"),
        ((b"a=1234567890123.1",), "no value"),
        ((b"a=1.",), "no value"),
        ((b"a=1.1234",), "no value"),
        ((b"a=1.1.1",), "no value"),
        ((b"a=--1",), "no value"),
        ((b'a="b',), "no value"),
        ((b'a="\\b"',), "no value"),
        ((b'a="\x7f"',), "no value"),
        ((b'a="\t"',), "no value"),
        ((b"a=?2",), "no value"),
        ((b"a=:YQ",), "no value"),
        ((b"a=:YQ:",), "base64"),
        ((b"a=:YR==:",), "bits to spare"),
        ((b"a=:Y===:",), "no value"),
        ((b"a=:Y=Q=:",), "no value"),
        ((b"a=:====:",), "no value"),
        ((b"a=:YQ__:",), "no value"),
        ((b"a=@1659578233",), "no value"),
        ((b"a=(1",), "does not go on"),
        ((b"a=(",), "no value"),
        ((b"a=(1\t2)",), "does not go on"),
        ((b'a=("b""c")',), "does not go on"),
        ((b"a=((1))",), "no value"),
        ((b"a=1)",), "no comma"),
        ((b"a;",), "no key"),
        ((b"a ;b",), "no comma"),
        ((b"a=\xe4",), "ASCII"),
        ((b'a="' + b"x" * MAX_SIZE + b'"',), "more than"),
    ],
)
def test_what_is_no_dictionary_is_refused(values, why):
    with pytest.raises(Malformed, match=why):
        parse_dictionary(values)


KEYS = st.from_regex(r"[a-z*][a-z0-9_\-.*]{0,5}", fullmatch=True)
BARE = st.one_of(
    st.booleans(),
    st.integers(-999_999_999_999_999, 999_999_999_999_999),
    st.decimals(-999_999_999_999, 999_999_999_999, places=3),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=10),
    st.binary(max_size=10),
    st.from_regex(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]{0,5}", fullmatch=True).map(Token),
)
PARAMS = st.dictionaries(KEYS, BARE, max_size=3)
ITEMS = st.builds(Item, BARE, PARAMS)
MEMBERS = st.one_of(ITEMS, st.builds(InnerList, st.lists(ITEMS, max_size=3), PARAMS))


@given(st.dictionaries(KEYS, MEMBERS, max_size=4))
def test_what_is_written_is_read_as_it_was(members):
    lines = [f"{key}={write_member(member)}".encode() for key, member in members.items()]
    read = parse_dictionary(lines)
    assert read == members
    assert [write_member(member) for member in read.values()] == [line.decode().partition("=")[2] for line in lines]


@given(st.lists(st.text('abA019 "\\:=?;,().-*\t\x00é', max_size=20).map(str.encode), max_size=3))
def test_any_bytes_are_a_dictionary_or_malformed(values):
    try:
        members = parse_dictionary(values)
    except Malformed:
        return
    again = [f"{key}={write_member(member)}".encode() for key, member in members.items()]
    assert parse_dictionary(again) == members
