"""README.md and docs/, and what stands in them for tests to run.

A ```toml fragment is a whole file. One that begins with `# keys.toml` is a keys file; behind
`<!-- part: users, files -->` it is part of a file that has these services too; behind `<!-- refused: KIND -->`, or
where its first line is `# bad.toml`, it is an example of what `check` refuses.
A ```requests block holds requests to the fragment before it, a line each:
`METHOD URL [Name: value] -> SERVICE PATH`, or the status that the gateway itself answers and what tells it apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
KEYS_FILE = "# keys.toml\n"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>part|refused): (?P<names>[^>]*?) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Fragment:
    """One ```toml block: the file that it stands for, and the requests that follow it."""

    page: str
    line: int
    text: str
    refused: bool
    requests: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, kind: str) -> list[str]:
    """The texts of all blocks of one kind."""
    return [match["text"] for match in _BLOCK.finditer(text_of(page)) if match["kind"] == kind]


def keys_files() -> list[str]:
    """The keys files of all pages; those that are named by others are alike."""
    return [text for page in PAGES for text in blocks(page, "toml") if text.startswith(KEYS_FILE)]


def fragments() -> Iterator[Fragment]:
    for page in PAGES:
        yield from _fragments(page)


def _fragments(page: Path) -> Iterator[Fragment]:
    text, latest = text_of(page), None
    for match in _BLOCK.finditer(text):
        if match["kind"] == "requests":
            assert latest is not None, "requests without a fragment"
            latest.requests += match["text"].splitlines()
        elif match["kind"] == "toml" and not match["text"].startswith(KEYS_FILE):
            if latest is not None:
                yield latest
            line = text.count("\n", 0, match.start()) + 1
            refused = match["mark"] == "refused" or match["text"].startswith("# bad.toml")
            latest = Fragment(page.name, line, _whole(match), refused)
    if latest is not None:
        yield latest


def _whole(match: re.Match[str]) -> str:
    names = match["names"].split(", ") if match["mark"] == "part" else []
    return match["text"] + "".join(f'\n[services.{name}]\nurl = "http://{name}:3000"\n' for name in names)
