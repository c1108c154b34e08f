"""JSON that others have written, and that two readers must not read in two ways."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_json(text: bytes) -> Any:
    """JSON that can be read one way only: UTF-8, no member name twice in an object, no NaN.

    All numbers become floats: an integer may have so many digits that reading it takes long. Raises ValueError.
    """
    try:
        return json.loads(
            text.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant, parse_int=float
        )
    except RecursionError:
        raise ValueError("it is not JSON that is fit to be read: too many levels") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is not JSON") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # Two readers could see two keys in it (RFC 7517 section 4).
        raise ValueError("its JSON has a member name twice in one object")
    return made


def _no_constant(word: str) -> NoReturn:
    raise ValueError("it has a number that JSON does not have")
