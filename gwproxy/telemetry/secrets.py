"""What no line of a log shows: the values of what is a secret by its name, in a query or in a path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote

SECRET: Final = b"[redacted]"
ALWAYS: Final = frozenset(
    ("access_token", "api_key", "apikey", "key", "password", "secret", "signature", "token")
)


def folded(name: str) -> str:
    """A name as it is compared: `API-Key` is `api_key`."""
    return name.lower().replace("-", "_")


def secret_names(further: Iterable[str] = ()) -> frozenset[str]:
    """The names that are secret, folded."""
    return ALWAYS.union(map(folded, further))


def without_secrets(query: bytes, names: frozenset[str] = ALWAYS) -> bytes:
    """A query, which begins with its "?", without the values of secret keys."""
    if not query or b"=" not in query:
        return query
    pairs = query[1:].split(b"&")
    for at, pair in enumerate(pairs):
        name, _, _ = pair.partition(b"=")
        if folded(unquote(name.decode("latin-1"))) in names:
            pairs[at] = name + b"=" + SECRET
    return b"?" + b"&".join(pairs)


def without_segments(raw: Sequence[bytes], secrets: Sequence[int]) -> bytes:
    """A path of these raw segments, without those at `secrets`."""
    shown = [SECRET if at in secrets else segment for at, segment in enumerate(raw)]
    return b"/" + b"/".join(shown)
