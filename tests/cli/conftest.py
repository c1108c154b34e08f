"""The command line as its users meet it, through click's runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gwproxy.cli import main


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command in this process, in a folder of its own: `cli("check", "routes.toml")`."""
    monkeypatch.chdir(tmp_path)
    return lambda *words, **how: CliRunner().invoke(main, words, prog_name="gwproxy", **how)
