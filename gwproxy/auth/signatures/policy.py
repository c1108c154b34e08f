"""What a signature must say to be believed: which components it covers, and its parameters (RFC 9421 section 2.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gwproxy.auth.signatures.components import DERIVED, FIELD_NAME, QUERY_PARAM
from gwproxy.auth.signatures.request import SignedRequest, can_be_seen
from gwproxy.auth.signatures.structured import KEY, Params
from gwproxy.auth.signatures.unverified import Unverified

_MONTHS: Final = {
    month: number
    for number, month in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
# RFC 9110 section 5.6.7, the one form that may be sent.
_DATE: Final = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is asked of signatures. ValueError for what no signature could meet, or what would prove nothing.

    `required` are names of components that must be covered whole, `required_with_body` more of them for requests that
    have a body. A signature is believed for `max_age_s` seconds after it was made; `leeway_s` is how far clocks may
    differ, and is added to every bound of time. `label` and `tag`, where given, are the only ones looked at; a tag is
    part of what is signed, a label is not, so anybody on the way may give a signature another. A signature without
    `created` counts as made at the time of the field Date, if that is among the `required`.
    """

    required: tuple[str, ...]
    max_age_s: float
    leeway_s: float = 30.0
    label: str | None = None
    tag: str | None = None
    required_with_body: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.required:
            raise ValueError("a signature that need not cover anything fits every request")
        for name in (*self.required, *self.required_with_body):
            _check_name(name)
        if not self.max_age_s > 0 or not self.leeway_s >= 0:
            raise ValueError("the age must be more than 0 s, and the leeway not less")
        if self.label is not None and KEY.fullmatch(self.label) is None:
            raise ValueError(f"{self.label!r} cannot be a label")

    def check_coverage(self, request: SignedRequest, covered: frozenset[str]) -> None:
        """Raises Unverified where a component is missing."""
        missing = [name for name in self.required if name not in covered]
        if request.has_body:
            missing += [name for name in self.required_with_body if name not in covered]
        if missing:
            raise Unverified("not covered: " + ", ".join(missing))

    def check_params(self, request: SignedRequest, params: Params, algorithm: str, now: float) -> float:
        """Until when the signature is believed, in seconds since 1970. Raises Unverified where it is not."""
        if params.get("alg", algorithm) != algorithm:
            raise Unverified(f"its alg is not the key's {algorithm}")
        if self.tag is not None and params.get("tag") != self.tag:
            raise Unverified("it has another tag, or none")
        made, expires = _time(params, "created"), _time(params, "expires")
        if made is None:
            made = self._date(request)
        if made > now + self.leeway_s:
            raise Unverified("it was made in the future")
        until = made + self.max_age_s
        if expires is not None:
            until = min(until, expires)
        if now > until + self.leeway_s:
            raise Unverified("it has expired")
        return until + self.leeway_s

    def _date(self, request: SignedRequest) -> int:
        values = request.values(b"date") if "date" in self.required else ()
        made = http_date(values[0]) if len(values) == 1 else None
        if made is None:
            raise Unverified("it does not say when it was made")
        return made


def http_date(value: bytes) -> int | None:
    """Seconds since 1970 of an IMF-fixdate (RFC 9110 section 5.6.7), None for all else."""
    found = _DATE.fullmatch(value)
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        return int(datetime(year, _MONTHS[found[2]], day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _time(params: Params, name: str) -> int | None:
    value = params.get(name)
    # A bool is an int to Python, and a bare ";created" is true.
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise Unverified(f"its {name} is no number of seconds")
    return value


def _check_name(name: str) -> None:
    if name == QUERY_PARAM:
        raise ValueError(f"{name} cannot be required, as it has no value of its own: require @query")
    if name in DERIVED:
        return
    if FIELD_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is neither a lower-case field name nor one of {', '.join(DERIVED)}")
    if not can_be_seen(name.encode()):
        raise ValueError(f"{name!r} is a field that no request can bring as far as its verifier")
