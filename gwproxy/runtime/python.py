"""The Python that runs us, as the beginning of a command line for further processes."""

from __future__ import annotations

import os
import sys


def python() -> list[str]:
    """Without the current folder on its path, in which a file could have any module's name.

    Who has started us by `python -m gwproxy` in a checkout means just that folder.
    """
    meant = bool(sys.path) and sys.path[0] in ("", os.getcwd())
    return [sys.executable] if meant else [sys.executable, "-P"]
