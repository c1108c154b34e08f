"""What WWW-Authenticate says of the credentials that a route takes (RFC 9110 section 11.6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gwproxy.auth.places import AUTHORIZATION
from gwproxy.exchange import Exchange

Lines = tuple[tuple[bytes, bytes], ...]

BEARER: Final = b"bearer"
# RFC 6750 section 3.1.
INVALID: Final = b', error="invalid_token"'


class Challenges:
    """One for each scheme: that of the first who takes it. `asked` are for who sent no credential."""

    __slots__ = ("_invalid", "asked")

    def __init__(self, challenges: Iterable[bytes]) -> None:
        by_scheme: dict[bytes, bytes] = {}
        for challenge in challenges:
            by_scheme.setdefault(_scheme(challenge), challenge)
        self.asked = _lines(by_scheme.values())
        self._invalid = _lines(
            challenge + INVALID if scheme == BEARER else challenge for scheme, challenge in by_scheme.items()
        )

    def refused(self, exchange: Exchange) -> Lines:
        """For a request whose credential proves nothing. Only who sent a bearer token is told of one, and nobody more
        than it knows: which scheme it has used.
        """
        for _, name, _, value in exchange.head.about.fields.kept:
            if name == AUTHORIZATION and _scheme(value.replace(b"\t", b" ")) == BEARER:
                return self._invalid
        return self.asked


def _scheme(credential: bytes) -> bytes:
    return credential.partition(b" ")[0].lower()


def _lines(challenges: Iterable[bytes]) -> Lines:
    return tuple((b"WWW-Authenticate", challenge) for challenge in challenges)
