"""The nginx that stands behind every proxy: small answers from memory, large ones from files."""

from __future__ import annotations

import json
from pathlib import Path

from bench.peers import TEMPLATES, beside_python_or_on_path
from bench.process import LOAD_CORE, Child

KIB, MIB, GIB = 2**10, 2**20, 2**30
# Sparse, so that they cost no disk; the page cache serves zeros.
FILES = {"64k": 64 * KIB, "1m": MIB, "64m": 64 * MIB, "gib": GIB}
SMALL_BYTES = 214


def small_json() -> str:
    """A believable record, padded to the size that design.md's figures are about."""
    record = {"id": 4711, "name": "Ada Lovelace", "email": "ada@example.com", "active": True}
    record["note"] = ""
    record["note"] = "x" * (SMALL_BYTES - len(json.dumps(record)))
    return json.dumps(record)


def start(folder: Path, port: int) -> Child:
    program = beside_python_or_on_path("nginx")
    if program is None:
        raise FileNotFoundError("nginx")
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    for name, size in FILES.items():
        with (files / name).open("wb") as out:
            out.truncate(size)
    text = (TEMPLATES / "origin.conf").read_text()
    for key, value in (("PORT", str(port)), ("DIR", str(folder)), ("SMALL", small_json())):
        text = text.replace(f"@{key}@", value)
    (folder / "origin.conf").write_text(text)
    argv = [program, "-p", str(folder), "-c", str(folder / "origin.conf"), "-e", "stderr"]
    child = Child("origin", argv, LOAD_CORE, folder / "log", {}, folder)
    child.wait_for_port(port)
    return child
