"""Key path → file, line and column, over all files of one configuration."""

from __future__ import annotations

from gwproxy.config.problems import Key, Place
from gwproxy.config.scan import Scan


class Places:
    """Where each key was written. A key nobody wrote has the place of the table that it would stand in."""

    def __init__(self, file: str) -> None:
        self._root = Place(file, 1, 1)
        self._offsets: dict[Key, tuple[str, Scan, int]] = {}

    def add(self, key: Key, file: str, scan: Scan, own: Key) -> None:
        """Record that `key` of the whole stands in `file`, where it is called `own`."""
        offset = scan.offsets.get(own)
        if offset is not None:
            self._offsets[key] = (file, scan, offset)

    def alias(self, key: Key, source: Key) -> None:
        """Give a key that got its value from another one that other one's place."""
        if source in self._offsets:
            self._offsets[key] = self._offsets[source]

    def find(self, key: Key) -> Place:
        """Place of a key, or of the nearest table around it that was written."""
        while key:
            if key in self._offsets:
                file, scan, offset = self._offsets[key]
                return Place(file, *scan.position(offset))
            key = key[:-1]
        return self._root

    def __contains__(self, key: Key) -> bool:
        return key in self._offsets
