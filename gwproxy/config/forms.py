"""Forms of value that several keys share, and how a key says what it means.

The title of a form is what a problem calls "expected"; the description of a key goes into the JSON Schema and into
docs/configuration.md. Both live here and on the structs' fields, and nowhere else.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, NamedTuple

from msgspec import Meta

from gwproxy.config.units import Duration, Size


class Choice(NamedTuple):
    """Keys of one table of which at most one may be written; exactly one where it is required.

    `unless`: keys with which none of them is required any more.
    """

    keys: tuple[str, ...]
    required: bool = False
    unless: tuple[str, ...] = ()

    @property
    def enough(self) -> tuple[str, ...]:
        """The keys of which one must be there, where any must."""
        return self.keys + self.unless


def says(text: str) -> Meta:
    """What a key means, in a sentence for people."""
    return Meta(description=text)


# At least one element, where an array is written at all. Not msgspec's min_length: a default may well be empty, and
# must still be readable from what a worker is sent.
SOME = Meta(extra_json_schema={"minItems": 1})

_POSITIVE = {"exclusiveMinimum": 0}

# A time-out of nothing would refuse everything, and never means "none": to have none, leave the key out.
Timeout = Annotated[Duration, Meta(extra_json_schema=_POSITIVE)]
Bound = Annotated[Size, Meta(extra_json_schema=_POSITIVE)]
Count = Annotated[int, Meta(ge=1)]
# Stores count in 32 bits.
Requests = Annotated[int, Meta(ge=1, le=4_294_967_295)]
Processes = Annotated[int, Meta(ge=1, le=1024)]
Whole = Annotated[int, Meta(ge=0)]

Path = Annotated[str, Meta(pattern="^/", title='a path that begins with "/"')]
Text = Annotated[str, Meta(min_length=1, title="a string that is not empty")]
# Of services, tiers, roles and the like: they become parts of headers, of the store's keys and of admin URLs.
Name = Annotated[
    str,
    Meta(pattern=r"^[0-9A-Za-z._-]{1,64}$", title='1 to 64 letters, digits, ".", "_" and "-"'),
]
# What is not ours to name, but gets into headers and keys all the same: ids of callers, a prefix, a tag.
Word = Annotated[
    str,
    Meta(pattern=r"^[\x21-\x7e]{1,256}$", title="1 to 256 visible ASCII characters, without blanks"),
]
# RFC 9110 section 5.6.2
HeaderName = Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", title="the name of a header")]
# RFC 9110 section 9.1: names of methods are case-sensitive, and all that are in use are in upper case.
MethodName = Annotated[
    str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Z-]+$", title="the name of a method, in upper case")
]
# RFC 9110 section 5.5: no control bytes but the tab, so that no value can end its line.
HeaderValue = Annotated[
    str, Meta(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", title="a header's value, without control characters")
]
Credential = Annotated[
    str, Meta(pattern=r"^(header|cookie|query):.+$", title='"header:NAME", "cookie:NAME" or "query:NAME"')
]
Day = Annotated[date, Meta(title='a date such as 2024-06-01 or "2024-06-01"')]
Secret = Annotated[str, Meta(extra_json_schema={"writeOnly": True})]
