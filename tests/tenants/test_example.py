"""examples/multi-tenant does what its page says: its files run, and its commands are typed one after the other."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gwproxy.config.check import check
from gwproxy.config.load import load
from tests.docs.pages import ROOT, blocks
from tests.docs.test_operations import alike, shell
from tests.support.command import Runtime
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.tenants.asking import Start, get, told

FOLDER = ROOT / "examples" / "multi-tenant"
PLAN = {"acme": "business", "bigco": "enterprise", "small": "starter"}


def transcripts() -> Iterator[tuple[str, str]]:
    for block in blocks(FOLDER / "README.md", "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            typed, _, printed = part.partition("\n")
            yield typed, printed


ALL = list(transcripts())
CURLS = [each for each in ALL if each[0].startswith("curl ") and "-w" not in each[0]]


def on_free_port(name: str) -> str:
    return re.sub(r'"127\.0\.0\.1:\d+"', '"127.0.0.1:0"', (FOLDER / name).read_text(encoding="utf-8"))


def as_request(typed: str) -> bytes:
    words = shlex.split(typed)
    url = urlsplit(words[-1])
    return get(url.path, *[words[at + 1] for at, word in enumerate(words) if word == "-H"], host=url.netloc)


async def asked(gw: Gateway, typed: str, shown: str) -> None:
    """What the page shows of an answer is in it, in its order."""
    answer = await gw.ask(as_request(typed))
    head, whole, body = shown.partition("\n\n") if shown.startswith("HTTP/") else ("", "", shown)
    if whole:
        got, wanted = answer.raw_head.decode().splitlines(), head.splitlines()
        assert got[0] == wanted[0]
        assert [line for line in got if line in wanted] == [line for line in wanted if line != "…"]
    pattern = re.escape(body.strip()).replace("…", ".+")
    assert re.fullmatch(pattern, answer.body.decode().strip()), answer.body


async def test_each_curl_line_is_answered_as_the_page_shows(gateway: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(FOLDER)
    services = await gateway(on_free_port("services.toml"))
    gw = await gateway(on_free_port("gateway.toml"), services_port=services.port)
    before = CURLS[:-1]
    for typed, shown in before:
        if "Remaining" in shown:
            # Of a tenant that nobody has served yet.
            await gw.worker.live.limits.forget("t:acme")
        await asked(gw, typed, shown)
    assert len(before) == 12


@pytest.mark.parametrize("name", PLAN)
async def test_service_is_told_the_tenant_and_its_plan(
    gateway: Start, origin: Origin, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(FOLDER)
    gw = await gateway(on_free_port("gateway.toml"), services_port=origin.port)
    for raw in (get("/orders", host=f"{name}.localhost"), get(f"/tenants/{name}/orders")):
        assert (await gw.ask(raw)).status == 200
        assert (origin.last.target, told(origin.last)) == (b"/orders", (name, PLAN[name]))
        where = f"orders-{name}.localhost" if name == "bigco" else "127.0.0.1"
        assert origin.last.header("Host") == f"{where}:{origin.port}"
        assert origin.last.header("X-API-Key") is None


async def test_commands_print_what_the_page_shows(
    gwproxy: Runtime, gateway: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The verbs, with what happens between them, against a gateway that runs."""
    services = await gateway(on_free_port("services.toml"))
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "gateway.toml").write_text(on_free_port("gateway.toml"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    environ = {"SERVICES_PORT": str(services.port), "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(gwproxy.folder)}
    process = await gwproxy("run", "gateway.toml", environ=[*environ.items()])
    port = str(await process.port())
    for typed, shown in ALL[ALL.index(CURLS[-2]) + 1 :]:
        line = typed.replace(":8000", f":{port}").replace("&& gwproxy", f"&& {shlex.quote(sys.executable)} -m gwproxy")
        line = line.replace("curl http", "curl -s http")
        printed = await shell(line, tmp_path, environ)
        assert apart_from_times(printed) == apart_from_times(shown), typed


def apart_from_times(text: str) -> str:
    """A minute's rest is told in minutes or in seconds."""
    return re.sub(r"\bin +[ms] ", "in ", alike(text))


@pytest.mark.parametrize("name", ["gateway.toml", "services.toml"])
def test_its_files_are_fine(name: str):
    assert check(load(FOLDER / name, {})) == []


def test_links_of_the_page_lead_somewhere():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all((FOLDER / Path(link)).exists() for link in re.findall(r"\]\(([^)]+)\)", page))
