"""METHOD, URL and headers of a command line as the bytes that a client would send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import click

_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_AUTHORITY: Final = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def typed_request(method: str, url: str, headers: Sequence[str]) -> bytes:
    """The head of a request. Raises click.UsageError, which is exit code 2, for what no client could send."""
    if "/" in method and _METHOD.fullmatch(url):
        raise click.UsageError(f"METHOD comes before URL: {url} {method}")
    if not _METHOD.fullmatch(method):
        raise click.UsageError(f"{method!r} is no method: write GET, POST …")
    # OPTIONS * asks about the server as a whole (RFC 9110 section 9.3.7), and is no URL.
    authority, target = ("localhost", "*") if (method, url) == ("OPTIONS", "*") else _split(url)
    lines = [_header(header) for header in headers]
    if authority and not any(line.lower().startswith("host:") for line in lines):
        lines.insert(0, f"Host: {authority}")
    head = [f"{method} {target} HTTP/1.1", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _split(url: str) -> tuple[str, str]:
    """Authority and target, not a byte changed; only the fragment stays with the client, as browsers and curl do."""
    if url.startswith("/"):
        return "localhost", url.partition("#")[0]
    found = _AUTHORITY.fullmatch(url)
    if found is None:
        scheme = urlsplit(url).scheme if "://" in url else ""
        if scheme:
            raise click.UsageError(f"{scheme}:// is not spoken here: write http://HOST/PATH")
        raise click.UsageError(
            f"{url!r} is no URL: write http://HOST/PATH, or only the path, beginning with /"
        )
    # A user and password go into Authorization, never into the request line.
    authority = found[1].rpartition("@")[2]
    if not authority:
        raise click.UsageError(f"{url!r} names no host")
    target = found[2].partition("#")[0]
    return authority, target if target.startswith("/") else f"/{target}"


def _header(header: str) -> str:
    name, colon, value = header.partition(":")
    if not colon or not _METHOD.fullmatch(name):
        raise click.UsageError(f"{header!r} is no header: write -H 'Name: value'")
    if any(letter in value for letter in "\r\n\0"):
        raise click.UsageError(f"{header!r}: a header is one line")
    return f"{name}: {value.strip()}"
