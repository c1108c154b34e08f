"""How a reload ended, for the log and for who asked."""

from __future__ import annotations

import logging

from msgspec import Struct

log = logging.getLogger("gwproxy")


class Outcome(Struct, frozen=True):
    """Whether it happened; in `lines` what there is to say, the last of which sums up."""

    ok: bool
    lines: tuple[str, ...]

    def tell(self) -> None:
        """Write it into the log."""
        for line in self.lines:
            log.log(logging.INFO if self.ok else logging.ERROR, "%s", line)


def refusal(*why: str, summary: str = "", counted: str = "", what: str = "reload") -> Outcome:
    """Nothing has changed. One reason stands in the last line; of several each has its own before it."""
    if counted:
        summary = f"{len(why)} problem{'s' * (len(why) > 1)} in {counted}"
    elif not summary:
        why, summary = (), "; ".join(why)
    return Outcome(False, (*why, f"{what} refused, nothing changed: {summary}"))
