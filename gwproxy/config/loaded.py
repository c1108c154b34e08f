"""What loading hands out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from gwproxy.config.places import Places
from gwproxy.config.problems import ConfigError, Key, Problem, dotted, show, show_url
from gwproxy.config.schema import Config


class Unsound:
    """Keys whose values are not what the file says, because that was unusable, or stands under a misspelt name."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.keys = frozenset(keys)
        self._around = {key[:length] for key in self.keys for length in range(len(key))}

    def touches(self, key: Key) -> bool:
        """Whether a key, or anything above or beneath it, is one of these."""
        return key in self._around or any(key[:length] in self.keys for length in range(len(key) + 1))


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration, where each of its keys was written, and the files that were read, in that order.

    Nothing is `unsound` in one that load() hands out. `templates` are the strings that had placeholders, as the file
    has them: what they became may be a secret. `contents` is what stands in the files that hold keys, by the key path
    that names each: what serves reads no file.
    """

    config: Config
    places: Places
    files: tuple[str, ...]
    unsound: Unsound = Unsound()
    templates: Mapping[Key, str] = {}
    contents: Mapping[str, bytes] = {}

    def shown(self, key: Key, value: object) -> str:
        """A key's value, fit for a problem's text: where it was filled in, what the file says instead."""
        return show(self.templates.get(key, value))

    def shown_path(self, key: Key, path: str) -> str:
        """As shown(), of a path: whole, since what tells two files apart stands at its end."""
        return '"' + self.templates.get(key, path).encode("unicode_escape").decode() + '"'

    def shown_url(self, key: Key, url: str) -> str:
        """As shown(), of a URL: without user, password and query."""
        return show_url(self.templates.get(key, url))

    def problem(self, kind: str, key: Key, *, found: str = "", expected: str = "", hint: str = "") -> Problem:
        """A Problem of one of problems.KINDS at the place of a key."""
        place = self.places.find(key)
        return Problem(kind=kind, place=place, key=dotted(key), found=found, expected=expected, hint=hint)


class LoadError(ConfigError):
    """A configuration that cannot be used, with stand-ins in it: only to find out what else is wrong."""

    def __init__(self, problems: tuple[Problem, ...], loaded: Loaded) -> None:
        super().__init__(problems)
        self.loaded = loaded
