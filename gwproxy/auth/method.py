"""What every way to prove who is calling has in common."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from gwproxy.auth.places import Place
from gwproxy.auth.principal import Proof
from gwproxy.auth.source import Watcher
from gwproxy.drive import Turns
from gwproxy.exchange import Exchange


class Later:
    """What a coroutine will give, made only when it is awaited: who just asks whether one must wait leaves none
    behind that never ran.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Proof]]) -> None:
        self._make = make

    def __await__(self) -> Generator[Any, Any, Proof]:
        return self._make().__await__()


class Method(Protocol):
    """One authenticator. `challenge` is what WWW-Authenticate says of it (RFC 9110 section 11.6.1)."""

    name: str
    place: Place
    challenge: bytes

    @property
    def turns(self) -> Turns | None:
        """Where a verification takes long: whoever calls `prove` takes one of these first."""

    def known(self, credential: bytes, now: float) -> Proof | None:
        """The proof, where this very credential was verified before and still holds: a look-up, no more."""

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` when what was proved by this method is no longer to be believed."""

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Proof | Later:
        """Verify a credential; Later where somebody has to be asked first. `now`: the wall clock, in seconds.

        Raises Unproved.
        """
