"""A second checkout, so that two commits can be measured in the same rounds."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers import ROOT


@contextmanager
def checkout(rev: str) -> Iterator[tuple[Path, str]]:
    """The files of a revision in a folder of their own, and its short name.

    From `git archive`: unlike a worktree it leaves nothing in .git, even when the bench is killed.
    """
    name = _git("rev-parse", "--short", "--verify", f"{rev}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory(prefix="gwproxy-against-") as folder:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", name))) as archive:
            archive.extractall(folder)
        yield Path(folder), name


def _git(*args: str) -> bytes:
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"bench: git {args[0]}: {done.stderr.decode().strip()}")
    return done.stdout
