"""Why a signature is not believed."""

from __future__ import annotations

from typing import Final

_MOST: Final = 64


class Unverified(Exception):
    """The request is not signed as it should be. The reason is for the log only, and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unsigned(Unverified):
    """Nothing in the request says that it is signed: another way to prove who is calling may be tried."""


def shown(text: str) -> str:
    """Text of a caller's, in quotes and cut, for a reason. It came out of a structured field, so it is printable."""
    return repr(text if len(text) <= _MOST else text[:_MOST] + "…")
