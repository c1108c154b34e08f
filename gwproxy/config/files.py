"""The files of one configuration: read, parsed and united, before anything is known about their keys' types."""

from __future__ import annotations

import glob
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from gwproxy.config.placeholders import PlaceholderError, expand, has_placeholder
from gwproxy.config.places import Places
from gwproxy.config.problems import Key, Place, Problem, dotted, show
from gwproxy.config.scan import Scan, ScanError

# Tables that only hold names: each file may add to them.
NAMESPACES: Final[frozenset[Key]] = frozenset(
    {("services",), ("roles",), ("tiers",), ("auth",), ("defaults",), ("tenants",), ("plans",)}
)
# Arrays that go on from file to file.
CONCATENATED: Final[frozenset[Key]] = frozenset({("include",), ("routes",), ("aggregations",)})

_TOML_POSITION: Final = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")


class Said(NamedTuple):
    """What names a file: its place, its key, and how the file is called there."""

    place: Place
    key: str
    text: str


class Files:
    """Everything that was read, as one table: `data`, with the `places` of its keys."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self.data: dict[str, Any] = {}
        self.places = Places(name)
        self.names: list[str] = []
        self.problems: list[Problem] = []
        # A file whose keys are not known: then nothing can be said about what the others refer to.
        self.blind = False
        # Keys that name a file of another kind whose content is not known.
        self.unusable: set[Key] = set()
        self.environ = environ
        self._explicit: set[Key] = set()
        self._seen: set[Path] = set()

    def read(self, path: Path, said: Said | None = None, around: tuple[Path, ...] = ()) -> None:
        """Add a file and what it includes. `said` is the include that names it, `around` the files it is in."""
        try:
            content = path.read_bytes()
        except OSError as error:
            self.blind = True
            said = said or Said(Place(str(path), 1, 1), "", show(str(path)))
            self._note("unreadable_file", said.place, said.key, said.text, error.strerror or "")
            return
        self.add(content, path, around)

    def add(self, content: bytes, path: Path, around: tuple[Path, ...] = ()) -> None:
        """Add a file's content, and the files that it includes."""
        name = str(path)
        self.names.append(name)
        self._seen.add(path.resolve())
        parsed = self._parse(content, name)
        if parsed is None:
            self.blind = True
            return
        data, scan = parsed
        includes = self._includes(data, scan, path)
        self._unite(self.data, data, (), (), name, scan)
        for found, said in includes:
            where = found.resolve()
            if where in (*around, path.resolve()):
                self._note("include_cycle", said.place, said.key, said.text)
            elif where not in self._seen:
                self.read(found, said, (*around, path.resolve()))

    def graft(self, path: Path, said: Said, word: str, into: Key) -> bool:
        """Add a file of another kind: it has one array, `word`, whose elements go behind those of the array `into`.

        False for one that is not just that.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            self._note("unreadable_file", said.place, said.key, said.text, error.strerror or "")
            return False
        name = str(path)
        self.names.append(name)
        parsed = self._parse(content, name)
        if parsed is None:
            return False
        data, scan = parsed
        for stray in data.keys() - {word}:
            place = Place(name, *scan.position(scan.offsets.get((stray,), 0)))
            self._note("unknown_key", place, dotted((stray,)), hint=f"this file has [[{word}]] and nothing else")
        whole = self.data
        for part in into[:-1]:
            whole = whole[str(part)]
        elements, array = data.get(word, []), whole[str(into[-1])]
        if not isinstance(elements, list):
            self._note("wrong_type", Place(name, 1, 1), word, hint=f"write each under [[{word}]]")
            return False
        for index, each in enumerate(elements):
            self._place(each, (*into, len(array)), (word, index), name, scan)
            array.append(each)
        return data.keys() <= {word}

    def _parse(self, content: bytes, name: str) -> tuple[dict[str, Any], Scan] | None:
        if content.startswith(b"\xef\xbb\xbf"):
            self._note("bad_encoding", Place(name, 1, 1), hint="remove the byte order mark")
            return None
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            column = len(content[: error.start].rpartition(b"\n")[2].decode(errors="replace")) + 1
            found = f"byte 0x{content[error.start]:02x}"
            self._note("bad_encoding", Place(name, line, column), found=found, hint="save the file as UTF-8")
            return None
        try:
            return tomllib.loads(text), Scan(text)
        except tomllib.TOMLDecodeError as error:
            self._refused(str(error), text, name)
        except (RecursionError, ScanError):
            self._note("syntax", Place(name, 1, 1), hint="nested too deeply")
        return None

    def _refused(self, error: str, text: str, name: str) -> None:
        """TOML's own error, with its position; a key written twice is told with both of its places."""
        found = _TOML_POSITION.search(error)
        said = error[: found.start()] if found else error
        if said.startswith("Cannot "):
            repeated = _repeated(text)
            if repeated is not None:
                key, first, second = repeated
                hint = f"first at {Place(name, *first)}"
                self._note("duplicate_key", Place(name, *second), dotted(key), hint=hint)
                return
        lines = text.split("\n")
        place = Place(name, len(lines), len(lines[-1]) + 1)
        if found and found[1]:
            place = Place(name, int(found[1]), int(found[2]))
        self._note("syntax", place, hint=said[:1].lower() + said[1:])

    def _includes(self, data: dict[str, Any], scan: Scan, path: Path) -> list[tuple[Path, Said]]:
        """Files that a file names, each with what names it. What is no string is left for the walk."""
        patterns = data.get("include")
        found: list[tuple[Path, Said]] = []
        for index, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
            try:
                filled = expand(pattern, self.environ) if isinstance(pattern, str) else ""
            except PlaceholderError:
                continue
            place = Place(str(path), *scan.position(scan.offsets.get(("include", index), 0)))
            for name in _matches(filled, path.parent) if filled else ():
                # As elsewhere, what the environment holds is not shown.
                text = show(pattern if has_placeholder(pattern) else str(path.parent / name))
                found.append((path.parent / name, Said(place, "include", text)))
        return found

    def _unite(
        self, whole: dict[str, Any], part: dict[str, Any], key: Key, own: Key, name: str, scan: Scan
    ) -> None:
        """Add a file's table to the whole; `own` is what the file calls the table that is `key` in the whole."""
        for word, value in part.items():
            here, there = (*key, word), (*own, word)
            known = whole.get(word)
            if known is None:
                whole[word] = value
                self._place(value, here, there, name, scan)
            elif here in CONCATENATED and isinstance(known, list) and isinstance(value, list):
                for index, each in enumerate(value):
                    self._place(each, (*here, len(known)), (*there, index), name, scan)
                    known.append(each)
            elif isinstance(known, dict) and isinstance(value, dict) and self._may_unite(here, there, scan):
                self._unite(known, value, here, there, name, scan)
            else:
                place = Place(name, *scan.position(scan.offsets.get(there, 0)))
                self._note("duplicate_key", place, dotted(here), hint=f"first at {self.places.find(here)}")

    def _may_unite(self, here: Key, there: Key, scan: Scan) -> bool:
        """As in one file: a table has one header of its own, others may only add tables inside it."""
        if here in NAMESPACES or not (here in self._explicit and there in scan.explicit):
            if there in scan.explicit:
                self._explicit.add(here)
            return True
        return False

    def _place(self, value: object, key: Key, own: Key, name: str, scan: Scan) -> None:
        self.places.add(key, name, scan, own)
        if own in scan.explicit:
            self._explicit.add(key)
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for word, each in inner:
            self._place(each, (*key, word), (*own, word), name, scan)

    def _note(self, kind: str, place: Place, key: str = "", found: str = "", hint: str = "") -> None:
        self.problems.append(Problem(kind=kind, place=place, key=key, found=found, hint=hint))


def _repeated(text: str) -> tuple[Key, tuple[int, int], tuple[int, int]] | None:
    """The first key of a text that is written twice, and both its positions."""
    try:
        scan = Scan(text)
    except (ScanError, tomllib.TOMLDecodeError):
        return None
    if not scan.repeats:
        return None
    key, first, second = scan.repeats[0]
    return key, scan.position(first), scan.position(second)


def _matches(pattern: str, folder: Path) -> list[str]:
    """Names that a pattern stands for; one without wildcards is a file that must be there."""
    if not any(letter in pattern for letter in "*?["):
        return [pattern]
    return sorted(glob.glob(pattern, root_dir=folder, recursive=True))
