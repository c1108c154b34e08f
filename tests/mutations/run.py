"""`python -m tests.mutations.run [name …]`: does each small mistake on the data path turn a test red?

Every entry of mutations.toml is one line of the gateway, the same line with a mistake in it, and the tests that must
notice. The checkout is copied aside, so that nothing here can stay wrong; a mutant that all of its tests let pass is
a survivor, and stands for a test that is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTED = Path(__file__).parent / "mutations.toml"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".*_cache", ".hypothesis", "__pycache__", "out", "build", "RESULTS.md"
)
LONGEST_S = 120.0
# pytest's exit status when tests ran and some failed; anything else says nothing about the mutant.
RED = 1


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mistake. `tests` are paths, or single tests, as pytest takes them."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The text of its file with the mistake. Raises ValueError where its line is not there exactly once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.old!r} stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


def listed() -> list[Mutation]:
    entries = tomllib.loads(LISTED.read_text())
    return [
        Mutation(name, entry["file"], entry["old"], entry["new"], tuple(entry["tests"]))
        for name, entry in entries.items()
    ]


def copied(folder: Path) -> Path:
    """A copy of the checkout in `folder`."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    return tree


def try_one(tree: Path, mutation: Mutation) -> str:
    """ "" where a test turned red; else what happened."""
    file = tree / mutation.file
    sound = file.read_text()
    try:
        file.write_text(mutation.applied(sound))
        code = _pytest(tree, mutation.tests)
    except ValueError as stale:
        return str(stale)
    except subprocess.TimeoutExpired:
        # A test that waits for ever would be red in the end, but says so too late to be of use.
        return f"its tests did not end within {LONGEST_S:.0f} s"
    finally:
        file.write_text(sound)
    if code == RED:
        return ""
    return "survived" if code == 0 else f"pytest could not tell (exit status {code})"


def _pytest(tree: Path, tests: tuple[str, ...]) -> int:
    argv = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        argv, cwd=tree, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_S
    )
    return done.returncode


def main(names: list[str]) -> int:
    known = {mutation.name: mutation for mutation in listed()}
    if unknown := set(names) - set(known):
        print(f"unknown: {', '.join(sorted(unknown))}")
        return 2
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for name in names or known:
            started = time.monotonic()
            trouble = try_one(tree, known[name])
            bad += bool(trouble)
            print(f"{name:<40} {trouble or 'red'} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{bad} of {len(names or known)} not noticed" if bad else f"all {len(names or known)} noticed")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
