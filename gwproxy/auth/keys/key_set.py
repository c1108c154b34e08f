"""A set of keys, and which of them a token may have been signed with (RFC 7517 section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Self

from gwproxy.auth.keys.jwk import from_jwk
from gwproxy.auth.keys.key import Key, shown
from gwproxy.auth.keys.strict_json import read_json

MOST_BYTES: Final = 256 << 10
MOST_KEYS: Final = 100
MOST_TOLD: Final = 3
MOST_CANDIDATES: Final = 4
"""Keys that a token without a kid is tried with. OpenID Connect Core section 10.1 wants a kid where there are several;
issuers that give none still publish the next key beside the last one while they change, and would be shut out then.
All keys of the set are trusted alike, so that trying costs time only, which is what this bounds.
"""


class KeySet:
    """Keys of one issuer. It never changes; `refused` says of each unusable key why it is not there."""

    __slots__ = ("_by_alg", "_by_name", "_named", "keys", "refused")

    def __init__(self, keys: Iterable[Key], refused: Iterable[str] = ()) -> None:
        self.keys: Final = tuple(keys)
        self.refused: Final = tuple(refused)
        by_alg: dict[str, list[Key]] = defaultdict(list)
        by_name: dict[tuple[str, str], tuple[Key, ...]] = {}
        for key in self.keys:
            for alg in key.algorithms:
                by_alg[alg].append(key)
                if key.kid is not None:
                    by_name[key.kid, alg] = (key,)
        self._by_alg: Final = {
            alg: tuple(keys) for alg, keys in by_alg.items() if len(keys) <= MOST_CANDIDATES
        }
        self._by_name: Final = by_name
        self._named: Final = frozenset(key.kid for key in self.keys if key.kid is not None)

    @classmethod
    def parse(cls, text: bytes, believed: Collection[str], *, secrets: bool = False) -> Self:
        """Read a key set. `believed` and `secrets` as for `from_jwk`.

        Unusable keys are left out and told in `refused`; raises ValueError where none is left, or where the text
        itself cannot be believed.
        """
        usable: list[Key] = []
        refused: list[str] = []
        for number, jwk in enumerate(_listed_keys(text)):
            try:
                key = from_jwk(jwk, believed, secrets=secrets)
            except ValueError as error:
                refused.append(f"{_place(number, jwk)}: {error}")
            else:
                if key not in usable:
                    usable.append(key)
        usable, ambiguous = _without_ambiguity(usable)
        refused += ambiguous
        if not usable:
            raise ValueError(f"the set has no usable key{': ' if refused else ''}{some_of(refused)}")
        return cls(usable, refused)

    def find(self, kid: str | None, alg: str) -> tuple[Key, ...]:
        """The keys to try for a token with this header, at most MOST_CANDIDATES; none if there is none to be believed.

        Without a kid these are all that may be used with `alg`, and none where they are too many. The same holds
        whatever the kid is in a set that names no key: a single key in a setting has no name.
        """
        if kid is None or not self._named:
            return self._by_alg.get(alg, ())
        return self._by_name.get((kid, alg), ())

    def knows(self, kid: str | None) -> bool:
        """Whether it can be said without asking the issuer again which key a token with this kid means."""
        return kid is None or not self._named or kid in self._named

    def __eq__(self, other: object) -> bool:
        """Whether both believe the same tokens."""
        if not isinstance(other, KeySet):
            return NotImplemented
        return frozenset(self.keys) == frozenset(other.keys)

    def __hash__(self) -> int:
        return hash(frozenset(self.keys))

    def __repr__(self) -> str:
        return f"KeySet({list(self.keys)!r})"


def some_of(reasons: Sequence[str]) -> str:
    """The first of them and how many more there are, for one line of a log."""
    more = f" and {len(reasons) - MOST_TOLD} more" if len(reasons) > MOST_TOLD else ""
    return "; ".join(reasons[:MOST_TOLD]) + more


def _place(number: int, jwk: object) -> str:
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    return f"keys[{number}] (kid {shown(kid)})" if isinstance(kid, str) else f"keys[{number}]"


def _without_ambiguity(keys: list[Key]) -> tuple[list[Key], list[str]]:
    """Take out keys of the same name where it is not the algorithm that tells them apart."""
    taken: dict[tuple[str | None, str], int] = defaultdict(int)
    for key in keys:
        for alg in key.algorithms:
            taken[key.kid, alg] += 1
    fine, refused = [], []
    for key in keys:
        if key.kid is not None and any(taken[key.kid, alg] > 1 for alg in key.algorithms):
            refused.append(f"{key.kind} (kid {shown(key.kid)}): another key has the same kid and alg")
        else:
            fine.append(key)
    return fine, refused


def _listed_keys(text: bytes) -> list[Any]:
    if len(text) > MOST_BYTES:
        raise ValueError(f"the set is longer than {MOST_BYTES} bytes")
    read = read_json(text)
    keys = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(keys, list):
        raise ValueError("it is not a key set: an object whose member keys is a list")
    if len(keys) > MOST_KEYS:
        raise ValueError(f"the set has {len(keys)} keys, and {MOST_KEYS} are the most")
    return keys
