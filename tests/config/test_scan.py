"""The scanner finds every key that tomllib finds, where it stands."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.config.problems import Key
from gwproxy.config.scan import Scan

NAMES = st.sampled_from(["a", "b", "c-d", "1", "é", "a.b", 'q"', "", "#", "x y", "[z]"])
SCALARS = st.sampled_from([
    "1", "-0.5e3", "true", "1979-05-27 07:32:00", "1979-05-27T07:32:00Z", "inf", "0x_f".replace("_", ""),
    '"s"', '"#]}\\""', "'lit#'", '"""a""b\n[x]\ny = 1\\""""', "'''it's\n''more'''", '""""q"""""', '""', "''",
])  # fmt: skip
HEADERS = st.tuples(st.booleans(), st.lists(NAMES, min_size=1, max_size=3))
GAPS = st.sampled_from(["", " ", "\t "])
BREAKS = st.sampled_from(["\n", "\r\n", " # a = 1 ] }\n", "\n\n"])


def all_keys(value: Any, key: Key = ()) -> set[Key]:
    found: set[Key] = {key} if key else set()
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        found |= all_keys(each, (*key, name))
    return found


@st.composite
def written_key(draw: st.DrawFn, name: str) -> str:
    forms = [json.dumps(name, ensure_ascii=draw(st.booleans()))]
    if name.replace("-", "").isalnum() and name.isascii():
        forms.append(name)
    if "'" not in name:
        forms.append(f"'{name}'")
    return draw(GAPS) + draw(st.sampled_from(forms)) + draw(GAPS)


@st.composite
def written_value(draw: st.DrawFn, depth: int = 2) -> str:
    form = draw(st.sampled_from(["scalar", "array", "table"] if depth else ["scalar"]))
    if form == "scalar":
        return draw(SCALARS)
    if form == "array":
        items = draw(st.lists(written_value(depth - 1), max_size=3))
        gap = draw(BREAKS) if draw(st.booleans()) else ""
        comma = "," if items and draw(st.booleans()) else ""
        return "[" + gap + f" ,{gap}".join(items) + gap + comma + gap + "]"
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    return "{" + ",".join(f"{draw(pair(name, depth - 1))} " for name in names) + "}"


@st.composite
def pair(draw: st.DrawFn, name: str, depth: int = 2) -> str:
    dotted = [
        draw(written_key(name)),
        *(draw(written_key(each)) for each in draw(st.lists(NAMES, max_size=1))),
    ]
    return ".".join(dotted) + "=" + draw(GAPS) + draw(written_value(depth))


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["", "\n", "# first\n"]))
    for header in [None, *draw(st.lists(HEADERS, max_size=5))]:
        if header is not None:
            array, names = header
            opening, closing = ("[[", "]]") if array else ("[", "]")
            text += opening + ".".join(draw(written_key(name)) for name in names) + closing + draw(BREAKS)
        for name in draw(st.lists(NAMES, unique=True, max_size=3)):
            text += draw(pair(name)) + draw(BREAKS)
    return text


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


@settings(deadline=None)  # a busy machine is no mistake of the scanner
@given(documents().filter(is_toml))
def test_the_scanner_finds_the_keys_that_tomllib_finds(text: str) -> None:
    assert set(Scan(text).offsets) == all_keys(tomllib.loads(text))


@settings(deadline=None)  # a busy machine is no mistake of the scanner
@given(documents().filter(is_toml))
def test_every_key_stands_where_the_scanner_says(text: str) -> None:
    scan = Scan(text)
    lines = scan.text.split("\n")
    for key, offset in scan.offsets.items():
        line, column = scan.position(offset)
        if isinstance(key[-1], str):
            assert first_key(lines[line - 1][column - 1 :]) == key[-1]


def first_key(line: str) -> str:
    """The key that a line begins with, read by growing it until tomllib takes it."""
    for end in range(1, len(line) + 1):
        if line[end : end + 1] not in ("", " ", "\t", ".", "=", "]"):
            continue
        try:
            return next(iter(tomllib.loads(f"{line[:end]} = 1")))
        except tomllib.TOMLDecodeError:
            continue
    raise AssertionError(line)


@pytest.mark.parametrize(
    ("text", "key", "position"),
    [
        ("a = 1", ("a",), (1, 1)),
        ("\n  a.b = 1", ("a", "b"), (2, 5)),
        ("[x]\n[x.y]\nz=1", ("x", "y"), (2, 4)),
        ("[x]\n[x.y]\nz=1", ("x", "y", "z"), (3, 1)),
        ("[[r]]\na=1\n[[r]]\na=2", ("r", 1), (3, 3)),
        ("[[r]]\na=1\n[[r]]\na=2\n[r.t]\nu=1", ("r", 1, "t", "u"), (6, 1)),
        ("a = [1,\n  # no\n  2]", ("a", 1), (3, 3)),
        ("a = { b = { c = 1 } }", ("a", "b", "c"), (1, 13)),
        ('a = """\n[b]\nc = 1\n"""\nd = 2', ("d",), (5, 1)),
        ("a = 1\r\nb = 2\r\n", ("b",), (2, 1)),
        ('é = "ü"'.replace("é", '"é"') + "\nb = 1", ("b",), (2, 1)),
    ],
)
def test_positions_are_lines_and_columns_from_one(text: str, key: Key, position: tuple[int, int]) -> None:
    scan = Scan(text)
    assert scan.position(scan.offsets[key]) == position


def test_a_table_is_explicit_only_by_a_header_or_braces_of_its_own() -> None:
    scan = Scan("[a.b]\nc.d = 1\ne = {}\n[[f]]\n")
    assert scan.explicit == {("a", "b"), ("a", "b", "e"), ("f", 0)}
