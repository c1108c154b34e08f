"""Every command of README.md does what the page shows. pip, pytest and the bench aside; those are run by .ci/run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gwproxy.cli import main
from gwproxy.config.load import load
from gwproxy.demo.guide import TRIES, command, guide
from gwproxy.demo.run import DEMO_FILE, missing_features, on_free_port
from gwproxy.demo.run import start as start_demo
from gwproxy.demo.services import SAMPLES, url_of
from gwproxy.runtime.reading import read
from gwproxy.runtime.worker import Worker
from tests.docs.pages import PAGES, README, ROOT, blocks, text_of

GATEWAY = "http://127.0.0.1:8080"
VENV = "python3 -m venv .venv && . .venv/bin/activate"
ASKS_API = "curl http://127.0.0.1:8000/api/users/7"
LINES = [line for block in blocks(README, "console") for line in block.splitlines()]
COMMANDS = [line.removeprefix("$ ") for line in LINES if line.startswith("$ ")]
ELSEWHERE = {
    VENV: ".ci/run",
    "pip install '.[embedded]' && gwproxy demo": "tests/demo/test_run.py",
    "pip install '.[test]' && pytest": ".ci/run",
    "gwproxy run api.toml": "tests/cli/test_run.py",
}


def transcripts(page: Path = README) -> list[tuple[str, str]]:
    """Each command of the page with what it prints."""
    found: list[tuple[str, str]] = []
    for block in blocks(page, "console"):
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
    assert result.exit_code == (1 if re.search(r"\b\d+ errors?$", shown) else 0)


def test_the_verbs_that_newcomers_need_are_shown():
    assert {typed.split()[1] for typed, _ in SHOWN} == {"check", "routes", "explain", "version"}


def test_no_command_is_run_by_nobody():
    tries = {command(line, GATEWAY) for line in TRIES}
    shown = {typed for typed, _ in SHOWN}
    assert [typed for typed in COMMANDS if typed not in {*tries, *shown, *ELSEWHERE, ASKS_API}] == []
    assert all((ROOT / where).exists() for where in ELSEWHERE.values())


def test_curl_lines_promise_what_the_demo_promises():
    """That the demo keeps it is for tests/demo/test_run.py, which sends each of its lines."""
    status = {command(line, GATEWAY): line.status for line in TRIES}
    told = {typed: re.match(r"HTTP/1\.1 (\d+)", printed) for typed, printed in transcripts()}
    told = {typed: match for typed, match in told.items() if match is not None}
    assert len(told) >= 2
    assert all(int(match[1]) == status[typed] for typed, match in told.items())


def test_demo_says_what_the_page_shows():
    services = {name: url_of(sample.port) for name, sample in SAMPLES.items()}
    loaded = read(DEMO_FILE, {}).loaded
    said = guide(GATEWAY, services, missing_features(loaded.config))
    shown = dict(transcripts())["pip install '.[embedded]' && gwproxy demo"]
    assert said.startswith(shown.removesuffix("…\n"))


def test_pip_has_an_environment_of_its_own():
    """Debian's own Python takes nothing from pip outside one."""
    pips = [at for at, typed in enumerate(COMMANDS) if typed.startswith("pip install")]
    assert [COMMANDS[at - 1] for at in pips] == [VENV] * 2


def test_a_file_with_mistakes_follows_the_promise_that_they_are_told():
    promise = text_of(README).partition("Mistakes are told all at once")[2]
    assert promise.index("$ gwproxy check bad.toml") < promise.index("$ gwproxy check routes.toml")


# It takes the demo's usual ports for a moment, as tests/demo does.
@pytest.mark.xdist_group("demo")
async def test_own_file_can_be_tried_while_the_demo_runs(connect, files: None):
    text, held = await start_demo({})
    async with held:
        reading = read(Path("api.toml"), {"USERS_URL": demo_url(text, "users")})
        usual, wanted = (load(file, {}).config.gateway.listen for file in (DEMO_FILE, Path("api.toml")))
        assert set(usual).isdisjoint(wanted)
        worker = Worker(on_free_port(reading.loaded)[0])
        await worker.start()
        try:
            answer = await (await connect(worker.ports[0])).ask(get("/api/users/7"))
        finally:
            await worker.stop(drain_s=0)
    assert dict(transcripts())[ASKS_API].strip() == answer.body.decode().strip()


@pytest.mark.xdist_group("demo")
async def test_heads_have_the_fields_that_the_pages_show(connect):
    heads = shown_heads()
    assert f"curl -i {GATEWAY}/demo/hello" in heads
    text, held = await start_demo({})
    async with held:
        port = int(text.partition(";")[0].rpartition(":")[2])
        for typed, names in heads.items():
            answer = await (await connect(port)).ask(get(typed.removeprefix(f"curl -i {GATEWAY}")))
            assert answer.headers.names() == names, typed


def shown_heads() -> dict[str, list[str]]:
    """The names of the fields of every head that a page shows whole, by the command that got it."""
    found = {}
    for page in PAGES:
        for typed, printed in transcripts(page):
            head = printed.partition("\n\n")[0].splitlines()
            if typed.startswith("curl -i ") and "…" not in head:
                found[typed] = [line.partition(":")[0] for line in head[1:]]
    return found


def demo_url(said: str, service: str) -> str:
    found = re.search(rf"^  {service} +(\S+)$", said, re.MULTILINE)
    assert found is not None
    return found[1]


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_place_of_the_figures_is_marked_once():
    assert text_of(README).count("<!-- figures -->") == 1
