"""What README.md and docs/ point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, README, ROOT, text_of

ALL = [*PAGES, ROOT / "CHANGELOG.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:gwproxy|tests|bench|docs|\.ci)/[\w./-]+)`")


def anchors(page: Path) -> set[str]:
    """Headings as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for link in LINK.findall(text_of(page)):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path):
    assert [name for name in FILE.findall(text_of(page)) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_can_be_found_from_the_readme(page: Path):
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(text_of(README))}
    assert page == README or page.resolve() in linked
