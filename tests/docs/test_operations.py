"""docs/operations.md: every command of its transcripts is typed, in their order, and prints what the page shows.

Numbers that belong to one run (pids, times, counts of requests) may differ; the port is a free one.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.support.command import Runtime

PAGE = ROOT / "docs" / "operations.md"
PORT = "18080"
# What is one run's own: digits, and the blanks that they push about.
OWN = re.compile(r"\d+(\.\d+)?|\s+")


def typed() -> list[tuple[str, str]]:
    """Each command of the page with what it prints."""
    found = []
    for block in blocks(PAGE, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, printed = part.partition("\n")
            found.append((line, printed))
    return found


def alike(text: str) -> str:
    """Without what is one run's own."""
    return OWN.sub(" ", text).strip()


async def shell(line: str, folder: Path, environ: dict[str, str]) -> str:
    """What a command prints, on either stream."""
    own = f"{shlex.quote(sys.executable)} -m gwproxy "
    line = re.sub(r"^gwproxy ", own, line)
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", line, cwd=folder, env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return out.decode()


async def test_transcripts_are_true(gwproxy: Runtime, tmp_path: Path, monkeypatch, connect):
    [text] = [block for block in blocks(PAGE, "toml") if block.startswith("# routes.toml\n")]
    file = tmp_path / "routes.toml"
    # The first line says where; the page's line numbers count from it.
    file.write_text(text.replace(f":{PORT}", ":0"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    process = await gwproxy("run", "routes.toml")
    port = await process.port()
    assert (await (await connect(port)).ask(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 1)
    environ = {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(gwproxy.folder)}
    for line, shown in typed():
        printed = await shell(line.replace(PORT, str(port)), tmp_path, environ)
        assert alike(printed) == alike(shown), line
    await gwproxy.until_serving(2)


def test_every_command_of_the_page_is_one_of_a_verb_or_of_a_shell():
    assert {line.split()[0] for line, _ in typed()} == {"gwproxy", "curl", "sed"}
