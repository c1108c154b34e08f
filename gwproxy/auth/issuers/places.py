"""Where an issuer has its keys: at an address that is known, or where it says itself."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from gwproxy.auth.issuers.get import FetchFailed, Get
from gwproxy.auth.keys.strict_json import read_json
from gwproxy.config.rules.urls import ISSUER, PAGE, url_fault

WELL_KNOWN: Final = "/.well-known/openid-configuration"
MOST_URL: Final = 2048
"""Characters of an address that an issuer gives."""
LONGEST_SHOWN: Final = 200
"""Of one that a log repeats."""


class Place(Protocol):
    """Where a key set is to be had."""

    @property
    def url(self) -> str:
        """What is asked first."""

    def ask(self, get: Get) -> Awaitable[bytes]:
        """The text of the key set. Raises FetchFailed."""


@dataclass(frozen=True, slots=True)
class SetAt:
    """The key set is at this address."""

    url: str

    async def ask(self, get: Get) -> bytes:
        """The text of the key set. Raises FetchFailed."""
        return await get(self.url)


@dataclass(frozen=True, slots=True)
class SetOf:
    """The issuer says where its key set is (OpenID Connect Discovery section 4), and is asked anew each time.

    `issuer` is what its tokens have as iss, to the letter.
    """

    issuer: str

    @property
    def url(self) -> str:
        """OpenID Connect Discovery section 4.1: behind the issuer's own path, not before it as in RFC 8414."""
        return self.issuer.removesuffix("/") + WELL_KNOWN

    async def ask(self, get: Get) -> bytes:
        """The text of the key set. Raises FetchFailed."""
        return await get(self._set_url(await get(self.url)))

    def _set_url(self, text: bytes) -> str:
        try:
            said = read_json(text)
        except ValueError as error:
            raise FetchFailed(f"it has a discovery document that cannot be read: {error}") from None
        if not isinstance(said, dict) or said.get("issuer") != self.issuer:
            # Section 4.3. Else one issuer's document could stand in for another's.
            raise FetchFailed(f"it has a discovery document of another issuer{_named(said)}")
        url = said.get("jwks_uri")
        if not isinstance(url, str) or len(url) > MOST_URL or url_fault(url, PAGE):
            raise FetchFailed("it has a discovery document whose jwks_uri is no address of a key set")
        if urlsplit(url).scheme != "https" and urlsplit(self.issuer).scheme == "https":
            raise FetchFailed("it has a discovery document whose jwks_uri is not https")
        return url


def _named(said: object) -> str:
    """The issuer that a document names, where that is an address and short: it may be one "/" from the right one."""
    name = said.get("issuer") if isinstance(said, dict) else None
    return f": {name}" if isinstance(name, str) and len(name) <= LONGEST_SHOWN and not url_fault(name, ISSUER) else ""
