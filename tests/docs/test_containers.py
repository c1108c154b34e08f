"""The Containerfile and the compose file: that they hold together with the project. No engine is needed.

They were linted by hand too (hadolint, `docker compose config`), where those are to be had.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from tests.docs.pages import ROOT

LINES = [
    line
    for line in re.sub(r"\\\n\s*", " ", (ROOT / "Containerfile").read_text(encoding="utf-8")).splitlines()
    if line and not line.startswith("#")
]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def said(word: str) -> list[str]:
    """What stands behind each instruction of this name."""
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{word} ")]


def test_every_line_is_an_instruction():
    known = {
        "FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip
    assert {line.split()[0] for line in LINES} <= known


def test_all_that_is_copied_is_there_and_enough_to_build():
    copied = [name for line in said("COPY") if "--from" not in line for name in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"setup.cfg", "pyproject.toml", "gwproxy"} <= set(copied)


def test_images_are_named_whole_and_with_a_version():
    images = [line.split()[0] for line in said("FROM")] + [COMPOSE["services"]["redis"]["image"]]
    assert [image for image in images if not re.fullmatch(r"[\w.]+/[\w./-]+:[\w.-]+", image)] == []
    assert not any(image.endswith(":latest") for image in images)


def test_it_does_not_run_as_root_and_serves_a_file_of_the_operators():
    assert said("USER")[-1] not in ("root", "0", "0:0")
    assert said("ENTRYPOINT") == ['["gwproxy"]']
    command = COMPOSE["services"]["gateway"]["command"]
    assert said("CMD") == [str(command).replace("'", '"')]
    mounted = [each.split(":")[1] for each in COMPOSE["services"]["gateway"]["volumes"]]
    assert str(Path(command[1]).parent) in mounted


def test_it_may_drain_for_as_long_as_it_does():
    routes = tomllib.loads((ROOT / "routes.toml").read_text(encoding="utf-8"))
    drain = int(routes["gateway"]["drain_timeout"].removesuffix("s"))
    assert int(COMPOSE["services"]["gateway"]["stop_grace_period"].removesuffix("s")) > drain
