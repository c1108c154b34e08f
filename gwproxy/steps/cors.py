"""CORS: what browsers want to read before the pages of other origins may ask, and see the answer (Fetch, section 3.3).

The gateway answers for the service: preflights never reach it, and its own fields of this kind never cross. What can
be written in advance is written when a file is bound; a request costs a look-up of its origin, and with "*" not that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from gwproxy.config.cors import ANY, NULL, SAFELISTED, Cors
from gwproxy.exchange import Exchange, Reply
from gwproxy.replies import fixed
from gwproxy.wire.fields import Fields

ORIGIN: Final = b"origin"
METHOD: Final = b"access-control-request-method"
HEADERS: Final = b"access-control-request-headers"
MAX_REMEMBERED: Final = 1024
MAX_REMEMBERED_ORIGIN: Final = 256

_ANSWERED: Final = 204
_VARY: Final = b"Vary: Origin\r\n"
_VARY_OF_PREFLIGHT: Final = (
    b"Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_OTHERS: Final = re.compile(rb"^access-control-[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)


class Policy:
    """One [cors], ready to answer: `finish` for requests, `respond` for their preflights."""

    __slots__ = (
        "_any_header", "_any_method", "_credentials", "_expose", "_headers", "_known", "_leave", "_methods",
        "_origins", "_same", "_wildcards",
    )  # fmt: skip

    def __init__(self, cors: Cors) -> None:
        written = [serialized(origin) for origin in cors.allow_origins]
        self._origins = frozenset(written)
        self._wildcards = _matcher(written)
        self._methods = frozenset(method.encode() for method in (*SAFELISTED, *cors.allow_methods))
        self._headers = frozenset(header.lower().encode() for header in cors.allow_headers)
        # With credentials "*" is a name like any other; `check` refuses it there.
        named = cors.allow_credentials
        self._any_method = not named and ANY in cors.allow_methods
        self._any_header = not named and ANY in cors.allow_headers
        self._credentials = b"Access-Control-Allow-Credentials: true\r\n" if named else b""
        self._expose = _listed(b"Access-Control-Expose-Headers", cors.expose_headers)
        self._leave = (
            _listed(b"Access-Control-Allow-Methods", cors.allow_methods)
            + _listed(b"Access-Control-Allow-Headers", cors.allow_headers)
            + b"Access-Control-Max-Age: %d\r\n" % int(cors.max_age)
        )
        everybody = ANY in cors.allow_origins and not named
        # The lines that all replies have: such a reply is the same to everybody, and caches may know that.
        self._same = b"Access-Control-Allow-Origin: *\r\n" + self._expose if everybody else b""
        # Origins that asked lately → the lines of their replies.
        self._known: dict[bytes, bytes] = {}

    def finish(self, exchange: Exchange, reply: Reply) -> None:
        """Tell the browser whether the page may read this reply, in place of what the service tells."""
        lines = reply.lines
        if b"access-control-" in lines.lower():
            lines = _OTHERS.sub(b"", lines)
        reply.lines = lines + (self._same or self._of(exchange.head.about.fields.get(ORIGIN)))

    def respond(self, exchange: Exchange) -> Reply:
        """Answer a preflight: leave to ask, or 204 without a word of it."""
        fields = exchange.head.about.fields
        lines = _VARY_OF_PREFLIGHT
        if not self.objection(fields):
            origin = b"*" if self._same else fields.get(ORIGIN) or b""
            lines = _allowed(origin) + self._credentials + self._leave + lines
        return fixed(_ANSWERED, lines, b"")

    def finish_refusal(self, exchange: Exchange, reply: Reply) -> None:
        """As `finish`, for the reply to a preflight that is not from `respond`: somebody else has refused it."""
        if reply.status != _ANSWERED:
            self.finish(exchange, reply)

    def objection(self, fields: Fields) -> str:
        """What stands against a preflight: the key that lacks something, and what it lacks; else empty."""
        origin = fields.get(ORIGIN) or b""
        if not self.lets_in(origin):
            return f"allow_origins lacks {_text(origin)}"
        method = fields.get(METHOD) or b""
        if method not in self._methods and not self._any_method:
            return f"allow_methods lacks {_text(method)}"
        for name in _names(fields.get_all(HEADERS)):
            # Fetch, section 4.9: not even "*" stands for Authorization.
            if name not in self._headers and (not self._any_header or name == b"authorization"):
                return f"allow_headers lacks {_text(name)}"
        return ""

    def lets_in(self, origin: bytes) -> bool:
        """Whether pages of this origin may ask. Browsers compare it byte for byte, and so do we."""
        if self._same or origin in self._origins:
            return True
        return self._wildcards is not None and self._wildcards.fullmatch(origin) is not None

    def _of(self, origin: bytes | None) -> bytes:
        """The lines of a reply to `origin`. Who has none gets to know all the same that others have other lines."""
        if origin is None:
            return _VARY
        lines = self._known.get(origin)
        if lines is None:
            lines = _VARY
            if self.lets_in(origin):
                lines = _allowed(origin) + self._credentials + self._expose + _VARY
            if len(origin) <= MAX_REMEMBERED_ORIGIN:
                if len(self._known) >= MAX_REMEMBERED:
                    self._known.clear()
                self._known[origin] = lines
        return lines


def is_preflight(method: bytes, fields: Fields) -> bool:
    """Whether a request only asks whether another may be sent (Fetch, section 3.3.2)."""
    return method == b"OPTIONS" and fields.get(ORIGIN) is not None and fields.get(METHOD) is not None


def serialized(origin: str) -> bytes:
    """An origin of a file as browsers send it (RFC 6454 section 6.2): in lower case, a scheme's own port left out."""
    if origin in (ANY, NULL):
        return origin.encode()
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host).compressed}]"
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}".encode()


def _matcher(origins: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """What matches the origins below the domains written with "*."; whole labels, and at least one."""
    labels = rb"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
    wild = [re.escape(origin).replace(rb"\*", labels, 1) for origin in origins if b"://*." in origin]
    return re.compile(b"|".join(wild)) if wild else None


def _names(values: Iterable[bytes]) -> list[bytes]:
    names = (name.strip(b" \t").lower() for value in values for name in value.split(b","))
    return [name for name in names if name]


def _allowed(origin: bytes) -> bytes:
    return b"Access-Control-Allow-Origin: %b\r\n" % origin


def _listed(name: bytes, values: Iterable[str]) -> bytes:
    joined = ", ".join(values).encode()
    return b"%b: %b\r\n" % (name, joined) if joined else b""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
