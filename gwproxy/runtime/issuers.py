"""Keys that are fetched: kept over reloads, so that a reload while an issuer is down takes no key away."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

from gwproxy.snapshot.credentials import SourceSpec

if TYPE_CHECKING:
    from gwproxy.auth.issuers.source import KeySource


class Issuers:
    """The sources of keys by what the configuration says of each."""

    def __init__(self) -> None:
        self._sources: dict[SourceSpec, KeySource] = {}
        self._used: set[SourceSpec] = set()
        self._retiring: dict[asyncio.Task[None], KeySource] = {}
        self._tls: dict[str, ssl.SSLContext] = {}

    def source(self, spec: SourceSpec) -> KeySource:
        """The one of this kind: the one there is, or a new one that begins to fetch.

        Raises OSError, ssl.SSLError for a `ca` that cannot be used.
        """
        self._used.add(spec)
        source = self._sources.get(spec)
        if source is None:
            source = self._sources[spec] = self._new(spec)
            for other, before in self._sources.items():
                if before is not source and replace(other, refresh_s=spec.refresh_s, timeout_s=spec.timeout_s) == spec:
                    source.adopt(before)
            source.start()
        return source

    def _new(self, spec: SourceSpec) -> KeySource:
        # Only who has such keys pays for what fetches and reads them.
        from gwproxy.auth.issuers.get import tls_context
        from gwproxy.auth.issuers.places import SetAt, SetOf
        from gwproxy.auth.issuers.source import KeySource
        from gwproxy.auth.issuers.times import Times

        if spec.ca not in self._tls:
            # Reading the system's authorities takes 30 ms.
            self._tls[spec.ca] = tls_context(spec.ca or None)
        place = SetAt(spec.url) if spec.url else SetOf(spec.issuer)
        times = Times(refresh_s=spec.refresh_s, timeout_s=spec.timeout_s)
        return KeySource(place, spec.algorithms, self._tls[spec.ca], times)

    @property
    def trouble(self) -> str:
        """Whose keys could not be fetched last, and why; "" where all could."""
        states = (source.state() for source in self._sources.values() if source.failures)
        return "; ".join(f"{state.url}: {state.trouble}" for state in states)

    def forget_used(self) -> None:
        """A binding begins: whatever it doesn't ask for will be closed by `retire_unused`."""
        self._used.clear()

    def retire_unused(self) -> None:
        """Stop fetching what is no longer wanted."""
        for spec in [spec for spec in self._sources if spec not in self._used]:
            source = self._sources.pop(spec)
            retiring = asyncio.ensure_future(source.retire())
            self._retiring[retiring] = source
            retiring.add_done_callback(self._retiring.pop)

    async def close(self) -> None:
        """Stop fetching."""
        for source in (*self._sources.values(), *self._retiring.values()):
            await source.close()
        await asyncio.gather(*self._retiring)
