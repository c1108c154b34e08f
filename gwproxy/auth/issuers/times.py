"""When an issuer is asked for its keys: pure, so that the times of a day are tested in a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

JITTER: Final = 0.1
"""Workers that were started together do not ask together for ever."""


@dataclass(frozen=True, slots=True)
class Times:
    """All in seconds. `refresh_s`: between two looks at the keys. `min_interval_s`: after the begin of one fetch,
    before a token can cause another. `timeout_s`: for all of one fetch. `again_s` and `most_again_s`: the first and
    the longest pause between fetches that fail.
    """

    refresh_s: float = 600.0
    min_interval_s: float = 30.0
    timeout_s: float = 5.0
    again_s: float = 1.0
    most_again_s: float = 60.0

    def pause_s(self, failures: int, has_keys: bool, chance: float) -> float:
        """From the end of a fetch to the next; `failures`: how many have failed one after the other; `chance`: 0 to 1.

        Without any keys nobody is let in, so that it is soon tried again. With keys an issuer that is down is left in
        peace for as long as `min_interval_s` at the least.
        """
        spread = 1 + JITTER * (2 * chance - 1)
        if not failures:
            return self.refresh_s * spread
        if has_keys:
            return min(self.refresh_s, max(self.most_again_s, self.min_interval_s)) * spread
        # The exponent is bounded: an issuer may be down for years.
        return min(self.again_s * (1 << min(failures - 1, 30)), self.most_again_s) * spread
