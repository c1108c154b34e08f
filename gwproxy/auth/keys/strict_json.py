"""JSON that others have written, and that two readers must not read in two ways."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

MOST_DIGITS: Final = 18


def read_json(text: bytes) -> Any:
    """JSON that can be read one way only: UTF-8, no member name twice in an object, no NaN.

    Longer integers than MOST_DIGITS become floats: reading very long ones takes long. Raises ValueError.
    """
    try:
        return json.loads(
            text.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant, parse_int=_whole
        )
    except RecursionError:
        raise ValueError("it is not JSON that is fit to be read: too many levels") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is not JSON") from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # Two readers could see two keys in it (RFC 7517 section 4).
        raise ValueError("its JSON has a member name twice in one object")
    return made


def _no_constant(word: str) -> NoReturn:
    raise ValueError("it has a number that JSON does not have")
