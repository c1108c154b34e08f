"""The pages of docs/ that show what the command does tell the truth."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from gwproxy.cli import main
from tests.support.store import StoreServer

ROOT = Path(__file__).parents[2]
PAGES = (
    "cli.md", "limits.md", "cors.md", "addresses.md", "authentication.md", "authorization.md", "store-records.md",
)  # fmt: skip
PAGE = "\n".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in PAGES)
TRANSCRIPTS = re.findall(r"^```console\n\$ gwproxy (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SERVING = ("run", "demo")
RUNNING = ("reload", "status", "upgrade")
"""Verbs that ask a gateway that runs."""
STORED = ("stored-keys", "tenants")
"""Verbs that ask a store, one after another."""


@pytest.fixture
def files(cli) -> None:
    """The files that the page speaks of: the reference one, and each that it shows."""
    shutil.copy(ROOT / "routes.toml", "routes.toml")
    for name, text in re.findall(r"^```toml\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        Path(name).write_text(f"# {name}\n{text}", encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "shown"), [each for each in TRANSCRIPTS if not each[0].startswith(SERVING + RUNNING + STORED)]
)
def test_command_prints_what_the_page_shows(command, shown, files, cli):
    # What is typed where a verb asks for something.
    printed = cli(*shlex.split(command), input="correct horse\n").stdout
    assert re.fullmatch(pattern_of(shown), printed, re.DOTALL), printed


def pattern_of(shown: str) -> str:
    """What the page shows, where "…" is whatever stands there."""
    lines = shown.replace("\n…\n", "…").splitlines(keepends=True)
    return "".join(re.escape(line).replace("…", ".*") for line in lines)


@pytest.fixture
def stored_file(files: None, store: StoreServer) -> None:
    """The page's own store is not there."""
    text = Path("stored.toml").read_text(encoding="utf-8")
    Path("stored.toml").write_text(text.replace("redis://records.internal:6379/0", store.url), encoding="utf-8")


async def test_verbs_print_of_a_store_what_the_page_shows(stored_file, cli):
    """Each goes on from what those before it have written."""
    blocks = [f"$ gwproxy {command}\n{shown}" for command, shown in TRANSCRIPTS if command.startswith(STORED)]
    words = re.split(r"^\$ gwproxy (.*)\n", "".join(blocks), flags=re.MULTILINE)[1:]
    assert len(words) == 2 * 8
    for command, shown in zip(words[::2], words[1::2], strict=True):
        printed = cli(*shlex.split(command)).stdout
        assert re.fullmatch(pattern_of(shown), printed, re.DOTALL), printed


@pytest.mark.parametrize(("command", "shown"), [each for each in TRANSCRIPTS if each[0].startswith(RUNNING)])
async def test_verb_tells_of_a_running_gateway_what_the_page_shows(command, shown, free_port, gwproxy):
    process = await gwproxy("run", "routes.toml")
    await process.says("listening on")
    code, out, err = await gwproxy.told(*shlex.split(command))
    assert (code, err) == (0, "")
    assert re.fullmatch(pattern_of(shown), out, re.DOTALL), out


@pytest.fixture
def free_port(files: None) -> None:
    """The page's own port may be taken."""
    text = Path("routes.toml").read_text(encoding="utf-8")
    Path("routes.toml").write_text(text.replace("127.0.0.1:8080", "127.0.0.1:0"), encoding="utf-8")


async def test_run_listens_as_the_page_shows(free_port, gwproxy):
    assert "run routes.toml" in dict(TRANSCRIPTS)
    process = await gwproxy("run", "routes.toml")
    await process.says(r'^{"time":".*","level":"info","message":"listening on http://127\.0\.0\.1:\d+"}$')
    process.signal(signal.SIGTERM)
    assert (await process.end())[0] == 0


def test_every_verb_has_its_transcript():
    assert {command.split()[0] for command, _ in TRANSCRIPTS} == set(main.commands)
