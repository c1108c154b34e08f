"""Versions of an API: what a route of one version tells its callers and its service, and the refusals of no version.

Which version a request gets is decided where its route is (snapshot/versions.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gwproxy.egress.request import Request
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.steps.asked import Source, is_version
from gwproxy.wire.fields import folded

Clock = Callable[[], float]
"""Seconds since 1970, by the calendar: what dates are compared with."""

NEVER: Final = math.inf
NAME: Final = b"X-API-Version"
# A path as callers sent it that can stand in a Link (RFC 8288 section 3).
_PLAIN: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """One version of a route. `name` is empty for what refuses versions that are none of `known`.

    `sources` are those that were asked before this one was chosen, `at` the place of the version among the segments of
    the caller's path, where it stands there (`in_path`), or would. `matched`: the router itself finds this route.
    `known` has every version with the time at which it is gone. `lines` are told with every reply, `message` from
    `deprecated_at` on; `ours` are the fields that a service cannot set beside them, `own` those that no caller can,
    folded. Times are seconds since 1970.
    """

    name: str
    sources: tuple[Source, ...]
    at: int
    known: tuple[tuple[str, float], ...]
    in_path: bool = False
    matched: bool = False
    default: bool = False
    lines: bytes = b""
    message: bytes = b""
    deprecated_at: float = NEVER
    gone_at: float = NEVER
    successor: bytes = b""
    ours: frozenset[bytes] = frozenset()
    own: frozenset[bytes] = frozenset()
    told: bytes = b""

    @property
    def refuses_all(self) -> bool:
        """Whether no request is served here: nothing goes before what its path says, which is no version."""
        return not self.name and self.in_path and not self.sources

    @property
    def ends(self) -> bool:
        """Whether callers are told more than which version it is."""
        return bool(self.message or self.successor)


def refuse_unknown(spec: VersionSpec, clock: Clock, exchange: Exchange) -> None:
    """Refuse a version that there is not. Raises GatewayError (`unsupported_version`)."""
    said, _ = asked(spec, exchange)
    # What has not the form of a version is the caller's own text, which is never repeated.
    named = f"API version {said.decode()} not supported" if is_version(said) else "API version not supported"
    raise GatewayError("unsupported_version", named, phase=Phase.ROUTE, members=_supported(spec, clock()))


def refuse_gone(spec: VersionSpec, clock: Clock, exchange: Exchange) -> None:
    """Refuse everybody from the day of the sunset on. Raises GatewayError (`version_gone`)."""
    now = clock()
    if now >= spec.gone_at:
        detail = f"API version {spec.name} is gone"
        raise GatewayError("version_gone", detail, phase=Phase.ROUTE, members=_supported(spec, now))


def _supported(spec: VersionSpec, now: float) -> dict[str, object]:
    return {"supported": [name for name, gone_at in spec.known if now < gone_at]}


def asked(spec: VersionSpec, exchange: Exchange) -> tuple[bytes, str]:
    """What the request says of its version, and where; both empty where it says nothing."""
    for source in spec.sources:
        said = source.said(exchange.head.fields)
        if said:
            return said[0], source.label
    return (exchange.raw[spec.at], "the path") if spec.in_path else (b"", "")


class Telling:
    """Adds to every reply of a version, refusals too, which one it is and how long it lives."""

    __slots__ = ("_clock", "_lines", "_ours", "_spec")

    def __init__(self, spec: VersionSpec, clock: Clock) -> None:
        self._spec = spec
        self._lines = spec.lines
        self._ours = spec.ours
        self._clock = clock

    def finish(self, exchange: Exchange, reply: Reply) -> None:
        """For a version that stays."""
        reply.lines = without(reply.lines, self._ours) + self._lines

    def finish_deprecated(self, exchange: Exchange, reply: Reply) -> None:
        """For one that ends."""
        spec = self._spec
        reply.lines = without(reply.lines, self._ours) + self._lines
        if self._clock() >= spec.deprecated_at:
            reply.lines += spec.message
        if spec.successor:
            reply.lines += _link(spec, exchange.raw)


def _link(spec: VersionSpec, raw: list[bytes]) -> bytes:
    """The same path in the version to go to (RFC 5829 section 3.4); nothing for a path that cannot stand in a Link."""
    behind = raw[spec.at + 1 :] if spec.in_path else raw[spec.at :]
    path = b"/" + b"/".join([*raw[: spec.at], spec.successor, *behind])
    if _PLAIN.fullmatch(path) is None:
        return b""
    return b'Link: <%b>; rel="successor-version"\r\n' % path


def without(lines: bytes, names: frozenset[bytes]) -> bytes:
    """Field lines without those of these lower-case names."""
    lower = lines.lower()
    # Services rarely tell of versions themselves: to look costs a tenth of taking the lines apart.
    if not any(name in lower for name in names):
        return lines
    kept = [line for line in lines.split(b"\r\n") if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join(kept)


class VersionTold:
    """Tells the service which version was asked for, by the gateway's word: a caller's own is dropped."""

    __slots__ = ("_own", "_told")

    def __init__(self, spec: VersionSpec) -> None:
        self._own = spec.own
        self._told = spec.told

    def add(self, request: Request, exchange: Exchange) -> None:
        """Put it into a request that `exchange` became."""
        own = {line for _, name, line, _ in exchange.head.fields.kept if folded(name) in self._own}
        if own:
            lines = (line + b"\r\n" for line in request.lines.split(b"\r\n")[:-1])
            request.lines = b"".join(line for line in lines if line not in own)
        request.lines += self._told
