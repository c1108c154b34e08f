"""Durations and sizes as a file writes them: "250ms", "5s", "64KiB", or a bare number of seconds or bytes."""

from __future__ import annotations

import math
import re
from typing import Final, Self

DURATION_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
DATE_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
SIZE_PATTERN: Final = r"^[0-9]+(B|KiB|MiB|GiB)$"

# The largest first, so that str() finds the shortest way to write a value.
SECONDS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
BYTES: Final = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}


class Duration(float):
    """A span of time in seconds, never negative and never infinite."""

    @classmethod
    def parse(cls, written: str | float) -> Self:
        """Read "250ms", "5s", "10m", "1h", "1d" or a number of seconds; ValueError for anything else."""
        if isinstance(written, str):
            if re.match(DURATION_PATTERN, written) is None or written.endswith("\n"):
                raise ValueError(written)
            number = written.rstrip("dhms")
            # One rounding, so that "250ms" is 0.25 and "0.1ms" what Python writes as 0.0001.
            unit = written[len(number) :]
            written = float(number) / 1000 if unit == "ms" else float(number) * SECONDS[unit]
        if not math.isfinite(written) or written < 0:
            raise ValueError(written)
        return cls(written)

    def __str__(self) -> str:
        for unit, seconds in SECONDS.items():
            if self and self % seconds == 0:
                return f"{int(self / seconds)}{unit}"
        milliseconds = round(float(self) * 1000)
        if milliseconds / 1000 == float(self):
            return f"{milliseconds}ms" if self else "0s"
        return repr(float(self))

    def __repr__(self) -> str:
        return f"Duration({float(self)!r})"


class Size(int):
    """A number of bytes, never negative."""

    @classmethod
    def parse(cls, written: str | int) -> Self:
        """Read "512B", "64KiB", "10MiB", "1GiB" or a number of bytes; ValueError for anything else."""
        if isinstance(written, str):
            if re.match(SIZE_PATTERN, written) is None or written.endswith("\n"):
                raise ValueError(written)
            number = written.rstrip("GMKiB")
            written = int(number) * BYTES[written[len(number) :]]
        if written < 0:
            raise ValueError(written)
        return cls(written)

    def __str__(self) -> str:
        for unit, size in BYTES.items():
            if self and self % size == 0:
                return f"{self // size}{unit}"
        return "0B"

    def __repr__(self) -> str:
        return f"Size({int(self)!r})"


def plain(value: object) -> object:
    """Hook for msgspec's encoders: a Duration becomes a float, a Size an int."""
    if isinstance(value, Duration):
        return float(value)
    if isinstance(value, Size):
        return int(value)
    raise NotImplementedError(type(value))


def typed(wanted: type, value: object) -> object:
    """Hook for msgspec's decoders: what plain() made becomes a Duration or a Size again."""
    if wanted is Duration and isinstance(value, str | int | float):
        return Duration.parse(value)
    if wanted is Size and isinstance(value, str | int):
        return Size.parse(value)
    raise NotImplementedError(wanted)
