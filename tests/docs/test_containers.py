"""The Containerfile and the compose file: linted, and held together with the project. No engine is needed."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
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


def linted(program: str, *words: str) -> None:
    """Runs a linter of the extra `test`, which must have nothing to say."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="hadolint's wheel is for x86_64")
def test_hadolint_has_nothing_to_say():
    linted("hadolint", "--failure-threshold", "style", "Containerfile")


def test_compose_file_is_one_by_the_specification():
    linted("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


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
