"""The script that decides, as the server gets it: what all kinds of limits need, each kind, and the decision."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import Final

from gwproxy.config.callers import LEASE_SHARE
from gwproxy.limits.spec import SUBWINDOWS

_FILES: Final = ("begin", "exact", "hard", "bucket", "quota", "decide")
_FOLDER: Final = files("gwproxy.limits").joinpath("scripts")

SCRIPT: Final = b"\n".join(
    [
        b"local PARTS, SHARE = %d, %d" % (SUBWINDOWS + 1, LEASE_SHARE),
        *(_FOLDER.joinpath(f"{name}.lua").read_bytes() for name in _FILES),
    ]
)
SHA: Final = sha1(SCRIPT, usedforsecurity=False).hexdigest()
