"""What a caller likes best: the media types of Accept (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# A weight, RFC 9110 section 12.4.2; one that is broken counts as none, which is 1.
_WEIGHT: Final = re.compile(rb";[ \t]*[qQ][ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?)[ \t]*(?:;|$)")
# Further than this no list is read: nobody has as many wishes.
MOST: Final = 64


def accepted(values: Iterable[bytes]) -> list[bytes]:
    """The media types of all Accept lines, in lower case and without parameters: those with the highest weight first.

    What weighs 0 is not acceptable, and left out. Quoted parameters with a comma inside are cut there: what is behind
    it is no media type then, and means nothing to whoever looks for one.
    """
    weighed: list[tuple[float, bytes]] = []
    for value in values:
        for element in value.split(b",", MOST)[:MOST]:
            media_type = element.partition(b";")[0].strip(b" \t").lower()
            found = _WEIGHT.search(element)
            weight = float(found[1]) if found is not None else 1.0
            if weight > 0:
                weighed.append((-weight, media_type))
    # Sorted by weight alone, so that of two that are liked as much the first stays first.
    weighed.sort(key=lambda pair: pair[0])
    return [media_type for _, media_type in weighed]
