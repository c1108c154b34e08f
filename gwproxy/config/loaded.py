"""What loading hands out."""

from __future__ import annotations

from msgspec import Struct

from gwproxy.config.places import Places
from gwproxy.config.problems import Key, Problem, dotted
from gwproxy.config.schema import Config


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration, where each of its keys was written, and the files that were read, in that order."""

    config: Config
    places: Places
    files: tuple[str, ...]

    def problem(self, kind: str, key: Key, *, found: str = "", expected: str = "", hint: str = "") -> Problem:
        """A Problem of one of problems.KINDS at the place of a key."""
        place = self.places.find(key)
        return Problem(kind=kind, place=place, key=dotted(key), found=found, expected=expected, hint=hint)
