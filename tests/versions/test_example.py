"""examples/versioned-api does what its page says: its files run, and each command of the page is sent."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gwproxy.cli import main
from gwproxy.config.check import check
from gwproxy.config.load import load
from tests.docs.pages import ROOT, blocks
from tests.support.client import Answer
from tests.support.running import Gateway
from tests.versions.asking import get

FOLDER = ROOT / "examples" / "versioned-api"
Start = Callable[..., Awaitable[Gateway]]


def transcripts() -> Iterator[tuple[str, str]]:
    for block in blocks(FOLDER / "README.md", "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            typed, _, printed = part.partition("\n")
            yield typed, printed


CURLS = [each for each in transcripts() if each[0].startswith("curl ")]
VERBS = [each for each in transcripts() if each[0].startswith("gwproxy ")]


def on_free_port(name: str) -> str:
    return re.sub(r'"127\.0\.0\.1:\d+"', '"127.0.0.1:0"', (FOLDER / name).read_text(encoding="utf-8"))


def as_shown(answer: Answer, shown: str) -> None:
    """What the page shows of an answer is in it, in its order."""
    body = answer.body.decode()
    head, whole, rest = shown.partition("\n\n") if shown.startswith("HTTP/") else ("", "", shown)
    if whole:
        status, *fields = head.splitlines()
        got = answer.raw_head.decode().splitlines()
        assert status == got[0]
        assert [line for line in got if line in fields] == [line for line in fields if line != "…"]
    assert re.fullmatch(re.escape(rest.strip()).replace("…", ".+"), body.strip()), body


@pytest.mark.parametrize(("typed", "shown"), CURLS, ids=[typed for typed, _ in CURLS])
async def test_curl_line_is_answered_as_the_page_shows(gateway: Start, typed: str, shown: str):
    services = await gateway(on_free_port("services.toml"))
    gw = await gateway(on_free_port("gateway.toml"), services_url=f"http://127.0.0.1:{services.port}")
    words = shlex.split(typed)
    headers = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
    as_shown(await gw.ask(get(words[-1].removeprefix("http://127.0.0.1:8000"), *headers)), shown)


@pytest.mark.parametrize(("typed", "shown"), VERBS, ids=[typed for typed, _ in VERBS])
def test_command_prints_what_the_page_shows(monkeypatch: pytest.MonkeyPatch, typed: str, shown: str):
    monkeypatch.chdir(FOLDER)
    assert CliRunner().invoke(main, shlex.split(typed)[1:]).output == shown


@pytest.mark.parametrize("name", ["gateway.toml", "services.toml"])
def test_its_files_are_fine(name: str):
    assert check(load(FOLDER / name, {})) == []


def test_page_has_its_commands_and_its_links_lead_somewhere():
    assert (len(CURLS), len(VERBS)) == (8, 1)
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all((FOLDER / Path(link)).exists() for link in re.findall(r"\]\(([^)]+)\)", page))
