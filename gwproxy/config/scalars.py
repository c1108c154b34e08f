"""One value of TOML that is no table and no array → the type that the schema gives it, or a Misfit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

import msgspec.inspect as mi

from gwproxy.config.describe import peel
from gwproxy.config.placeholders import expand, has_placeholder
from gwproxy.config.problems import show
from gwproxy.config.units import DATE_PATTERN, Duration, Size

TRUTH: Final = {"true": True, "false": False}


class Misfit(Exception):
    """A value that its type refuses: the Problem's kind, and what to say where it is not the usual."""

    def __init__(self, kind: str, *, expected: str = "", found: str = "") -> None:
        super().__init__(kind)
        self.kind, self.expected, self.found = kind, expected, found


def scalar(type_: mi.Type, value: object, environ: Mapping[str, str]) -> Any:
    """Convert one value; Misfit where it does not fit, PlaceholderError where it cannot be filled in."""
    bare, extra = peel(type_)
    if not isinstance(value, str):
        return CONVERTERS[type(bare)](bare, extra, value, False)
    filled = expand(value, environ)
    try:
        return CONVERTERS[type(bare)](bare, extra, filled, has_placeholder(value))
    except Misfit as misfit:
        # The file's own words stay as they are: what the environment holds may be a secret.
        raise Misfit(misfit.kind, expected=misfit.expected, found=show(value)) from None


# Each converter gets the bare type, what its annotations said, the value, and whether that came from a placeholder:
# then a string may say a number or a boolean.


def _string(bare: mi.StrType, _: dict[str, Any], value: object, templated: bool) -> str:
    if not isinstance(value, str):
        raise Misfit("wrong_type")
    # Python's $ also matches before a last newline, which would let a header's value end its line.
    pattern = re.sub(r"\$$", r"\\Z", bare.pattern or "")
    if len(value) < (bare.min_length or 0) or not re.search(pattern, value):
        raise Misfit("wrong_form")
    return value


def _whole(bare: mi.IntType, _: dict[str, Any], value: object, templated: bool) -> int:
    if templated and isinstance(value, str):
        value = _number(value)
    value = _integral(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Misfit("wrong_type")
    _within(bare, value)
    return value


def _float(bare: mi.FloatType, _: dict[str, Any], value: object, templated: bool) -> float:
    if templated and isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit("wrong_type")
    _within(bare, value)
    return float(value)


def _boolean(bare: mi.BoolType, _: dict[str, Any], value: object, templated: bool) -> bool:
    if templated and isinstance(value, str):
        value = TRUTH.get(value, value)
    if not isinstance(value, bool):
        raise Misfit("wrong_type")
    return value


def _literal(bare: mi.LiteralType, _: dict[str, Any], value: object, templated: bool) -> object:
    if templated and isinstance(bare.values[0], int) and isinstance(value, str):
        value = _number(value)
    # bool first: to Python, true is in (1, 2).
    if isinstance(value, bool) or not isinstance(value, type(bare.values[0])):
        raise Misfit("wrong_type")
    if value not in bare.values:
        raise Misfit("unknown_value")
    return value


def _unit(bare: mi.CustomType, extra: dict[str, Any], value: object, templated: bool) -> Duration | Size:
    unit: type[Duration] | type[Size] = bare.cls
    if templated and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        value = _number(value)
    if unit is Size:
        value = _integral(value)
    if isinstance(value, bool) or not isinstance(value, (str, int) if unit is Size else (str, int, float)):
        raise Misfit("wrong_type")
    try:
        measured = unit.parse(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        raise Misfit(f"bad_{unit.__name__.lower()}") from None
    if measured <= extra.get("exclusiveMinimum", -1):
        raise Misfit("out_of_range", expected=f"more than {extra['exclusiveMinimum']}")
    return measured


def _date(bare: mi.DateType, _: dict[str, Any], value: object, templated: bool) -> date:
    """A day, as TOML's own or as a string; a time of day says more than is meant."""
    if isinstance(value, str):
        if re.match(DATE_PATTERN, value) is None or value.endswith("\n"):
            raise Misfit("wrong_form")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Misfit("bad_date") from None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise Misfit("wrong_type")
    return value


def _integral(value: object) -> object:
    """JSON Schema calls 2.0 an integer, so it is one here too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(text: str) -> int | float | str:
    """A number out of the environment, or the text itself where it is none."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _within(bare: mi.IntType | mi.FloatType, value: float) -> None:
    if not (
        math.isfinite(value)
        and (bare.ge is None or value >= bare.ge)
        and (bare.gt is None or value > bare.gt)
        and (bare.le is None or value <= bare.le)
        and (bare.lt is None or value < bare.lt)
    ):
        raise Misfit("out_of_range")


CONVERTERS: Final[dict[type[mi.Type], Callable[[Any, dict[str, Any], object, bool], Any]]] = {
    mi.StrType: _string,
    mi.IntType: _whole,
    mi.FloatType: _float,
    mi.BoolType: _boolean,
    mi.LiteralType: _literal,
    mi.CustomType: _unit,
    mi.DateType: _date,
}
