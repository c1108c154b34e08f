"""Where the keys of an authenticator come from: the configuration, or somebody who may change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gwproxy.auth.keys.key_set import KeySet


class Watcher(Protocol):
    """Whoever remembers what was verified."""

    def forget(self) -> None:
        """Keys have changed: what was verified with the old ones is no longer believed."""


class Source(Protocol):
    """Keys. `keys` is None while none were ever had."""

    keys: KeySet | None

    async def refreshed(self, kid: str | None) -> KeySet | None:
        """The keys, after a fetch that may bring `kid`, if one is allowed now."""

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` when keys change, for as long as anybody else holds it."""


class Fixed:
    """Keys that the configuration has."""

    __slots__ = ("keys",)

    def __init__(self, keys: KeySet) -> None:
        self.keys: KeySet | None = keys

    async def refreshed(self, kid: str | None) -> KeySet | None:
        """There are no others."""
        return self.keys

    def watch(self, watcher: Watcher) -> None:
        """They never change."""
