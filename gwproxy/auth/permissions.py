"""What a caller may do: permissions by name, and prefixes of names that end in "*"."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Grants:
    """The permissions of one caller. "orders:*" grants all that begins with "orders:", "*" everything.

    A "*" elsewhere than at the end is a letter like any other. `names` are those granted by their whole name.
    """

    __slots__ = ("_prefixes", "names")

    def __init__(self, granted: Iterable[str]) -> None:
        written = list(granted)
        self.names = frozenset(written)
        self._prefixes = tuple({name[:-1] for name in written if name.endswith("*")})

    def holds(self, permission: str) -> bool:
        """Whether this one is granted."""
        return permission in self.names or permission.startswith(self._prefixes)

    def holds_any(self, permissions: frozenset[str]) -> bool:
        """Whether one of these is granted."""
        if not self.names.isdisjoint(permissions):
            return True
        prefixes = self._prefixes
        return bool(prefixes) and any(permission.startswith(prefixes) for permission in permissions)

    def lacking(self, permissions: Collection[str]) -> list[str]:
        """Those of `permissions` that are not granted."""
        return [permission for permission in permissions if not self.holds(permission)]
