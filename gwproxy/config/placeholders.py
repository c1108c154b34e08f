"""${NAME} and ${NAME:-default} in strings, from an environment that the caller hands in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# $${ is a literal ${; a default ends at the first brace, so none can stand in it.
_PLACEHOLDER: Final = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{"
)


class PlaceholderError(ValueError):
    """A string that cannot be filled in: `kind` is the Problem's, `hint` its cure."""

    def __init__(self, kind: str, found: str, hint: str) -> None:
        super().__init__(found)
        self.kind, self.found, self.hint = kind, found, hint


def has_placeholder(text: str) -> bool:
    """Whether a string is to be filled in, so that it may stand where a number or a boolean is wanted."""
    return "${" in text


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Fill in a string. As in a shell, `:-` serves for a variable that is empty too. PlaceholderError otherwise."""

    def value(found: re.Match[str]) -> str:
        if found.group() == "$${":
            return "${"
        name, default = found["name"], found["default"]
        if name is None:
            raise PlaceholderError(
                "bad_placeholder", "${", "write ${NAME} or ${NAME:-default}, or $${ for a plain ${"
            )
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            raise PlaceholderError(
                "unset_variable", f"${{{name}}}", f"set {name}, or write ${{{name}:-default}}"
            )
        return environ[name]

    return _PLACEHOLDER.sub(value, text)
