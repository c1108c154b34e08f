"""Nothing that a caller or a service sends is kept out by an `assert` alone: Python leaves these out under -O."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
def test_rules_of_http_hold_without_asserts():
    """pytest rewrites the asserts of test files into plain code, so these still count; those of gwproxy do not."""
    done = subprocess.run(
        [sys.executable, "-O", "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "tests/wire", "tests/http"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
