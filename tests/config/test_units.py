"""Durations and sizes, as they are written and as they are counted."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.config.load import loads
from gwproxy.config.schema import Config
from gwproxy.config.units import DURATION_PATTERN, SIZE_PATTERN, Duration, Size, plain, typed


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("10m", 600),
        ("1h", 3600),
        ("1d", 86400),
        ("1.5s", 1.5),
        (3, 3),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_counted_in_seconds(written: str | float, seconds: float) -> None:
    assert Duration.parse(written) == seconds


@pytest.mark.parametrize(
    ("written", "size"), [("512B", 512), ("64KiB", 65536), ("10MiB", 10485760), ("1GiB", 1073741824), (7, 7)]
)
def test_a_size_is_counted_in_bytes(written: str | int, size: int) -> None:
    assert Size.parse(written) == size


@pytest.mark.parametrize(
    "written", ["", "s", "5", "5 s", "-5s", "1w", "5S", "5s\n", "٥s", ".5s", "1e3s", float("inf"), -1]
)
def test_what_is_no_duration_is_refused(written: str | float) -> None:
    with pytest.raises(ValueError):
        Duration.parse(written)


@pytest.mark.parametrize("written", ["", "B", "5", "5 B", "-5B", "1.5KiB", "1KB", "1kib", "1B\n", -1])
def test_what_is_no_size_is_refused(written: str | int) -> None:
    with pytest.raises(ValueError):
        Size.parse(written)


@given(st.integers(0, 10**9))
def test_a_duration_reads_what_it_writes(milliseconds: int) -> None:
    duration = Duration(milliseconds / 1000)
    assert Duration.parse(str(duration)) == duration


@given(st.integers(0, 2**50))
def test_a_size_reads_what_it_writes(size: int) -> None:
    assert Size.parse(str(Size(size))) == size


@given(st.text(alphabet="0123456789.msdhKiBGM -", max_size=8))
def test_the_schemas_patterns_say_what_the_parsers_take(text: str) -> None:
    for unit, pattern in ((Duration, DURATION_PATTERN), (Size, SIZE_PATTERN)):
        try:
            unit.parse(text)
        except ValueError:
            assert not re.search(pattern, text)
        else:
            assert re.search(pattern, text)


def test_a_configuration_travels_as_msgpack_and_keeps_its_types() -> None:
    config = loads(
        '[services.a]\nurl = "http://a"\ntimeout = "250ms"\n[gateway]\nmax_request_body = "1KiB"'
    ).config
    sent = msgspec.msgpack.encode(config, enc_hook=plain)
    received = msgspec.msgpack.decode(sent, type=Config, dec_hook=typed)
    assert received == config
    assert type(received.services["a"].timeout) is Duration
    assert type(received.gateway.max_request_body) is Size
