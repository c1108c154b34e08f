"""Where the gateway listens."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, dotted
from gwproxy.config.rules.addresses import is_host

_EXPECTED: Final = '"host:port", "[::1]:8080", "unix:/path/to.sock" or "fd:NAME"'
# Listening on one of these takes the port on every address of its family.
_EVERYWHERE: Final = ("0.0.0.0", "::")
_ALIASES: Final = {"localhost": ("127.0.0.1", "::1")}


def listeners(loaded: Loaded) -> Iterator[Problem]:
    """Every address can be listened on, and none twice, the admin's among them."""
    taken: list[tuple[tuple[str, str], Key]] = []
    for key, address in _written(loaded):
        parsed = parse_listener(address)
        if parsed is None:
            yield loaded.problem("bad_listener", key, found=loaded.shown(key, address), expected=_EXPECTED)
            continue
        for other, first in taken:
            if _overlap(parsed, other):
                hint = f"{dotted(first)} at {loaded.places.find(first)} has it already"
                yield loaded.problem("listener_twice", key, found=loaded.shown(key, address), hint=hint)
                break
        taken.append((parsed, key))


def admin_token(loaded: Loaded) -> Iterator[Problem]:
    """Operators prove who they are, unless only this machine can ask."""
    admin = loaded.config.admin
    if admin is None or admin.token or _is_private(admin.listen):
        return
    written = loaded.shown(("admin", "listen"), admin.listen)
    hint = f"set admin.token, or listen on a loopback address instead of {written}"
    yield loaded.problem("token_missing", ("admin", "token"), hint=hint)


def _written(loaded: Loaded) -> Iterator[tuple[Key, str]]:
    for index, address in enumerate(loaded.config.gateway.listen):
        yield ("gateway", "listen", index), address
    if loaded.config.admin is not None:
        yield ("admin", "listen"), loaded.config.admin.listen


def parse_listener(address: str) -> tuple[str, str] | None:
    """An address as (host, port), ("unix", path) or ("fd", name); None where it is none. IPv6 without brackets."""
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return ("unix", rest) if rest.startswith("/") else None
    if kind == "fd":
        return ("fd", rest) if re.fullmatch(r"[A-Za-z0-9_.-]+", rest) else None
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        return None
    if host.startswith("["):
        host = host[1:].removesuffix("]") if host.endswith("]") and ":" in host else ""
    elif ":" in host:
        return None
    return (host.lower(), str(int(port))) if is_host(host) else None


def _overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    if one[1] != other[1] or one[1] == "0":
        # Port 0 is whichever is free, so two of them are two ports.
        return False
    if {one[0], other[0]} & {"unix", "fd"}:
        return one == other
    return any(
        _meet(mine, its)
        for mine in _ALIASES.get(one[0], one[:1])
        for its in _ALIASES.get(other[0], other[:1])
    )


def _meet(one: str, other: str) -> bool:
    same_family = (":" in one) == (":" in other)
    return one == other or (same_family and (one in _EVERYWHERE or other in _EVERYWHERE))


def _is_private(address: str) -> bool:
    """Whether only this machine can reach an address; one that cannot be read is another rule's to tell."""
    parsed = parse_listener(address)
    if parsed is None or parsed[0] in ("unix", "localhost"):
        return True
    try:
        return ipaddress.ip_address(parsed[0]).is_loopback
    except ValueError:
        return False
