"""Addresses: of services, of listeners, of networks, and the hosts that callers ask for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from gwproxy.config.either import all_routes, hosts_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean, show

STATES: Final = ("memory", "embedded", "redis", "rediss", "unix", "redis+cluster", "redis+sentinel")
SCHEMES: Final = ("http", "https", "http+unix")

# Labels as resolvers take them: with underscores, which no certificate has but many containers do.
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
# RFC 3986 section 3.3: pchar and the slash.
_URL_PATH: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")


def urls(loaded: Loaded) -> Iterator[Problem]:
    """Services' addresses must be ones that the gateway can connect to."""
    for name, service in loaded.config.services.items():
        written: list[tuple[Key, str]] = [
            (("services", name, "targets", index, "url"), target.url)
            for index, target in enumerate(service.targets)
        ]
        if service.url is not None:
            written.append((("services", name, "url"), service.url))
        for key, url in written:
            fault = url_fault(url)
            if fault:
                yield loaded.problem("bad_url", key, found=show(without_user(url)), hint=fault)


def url_fault(url: str) -> str:
    """Why a service's address is unusable, as a cure; empty where it is usable."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "its host cannot be read"
    if parts.scheme not in SCHEMES or "://" not in url:
        return f"write {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]} before ://"
    if re.search(r"[^\x21-\x7e]", url):
        return "blanks, control characters and letters beyond ASCII must be percent-encoded"
    if "?" in url or "#" in url:
        return "an address has no query and no fragment"
    if "@" in parts.netloc:
        return "an address has no user and no password"
    if parts.scheme == "http+unix":
        return "" if not parts.netloc and len(parts.path) > 1 else "write http+unix:///path/to.sock"
    return _authority_fault(parts)


def _authority_fault(parts: SplitResult) -> str:
    if not parts.hostname:
        return "name a host after ://"
    port = parts.netloc.rpartition("]")[2].partition(":")
    if port[1] and not (port[2].isascii() and port[2].isdigit() and 0 < int(port[2]) < 65536):
        return "a port is a number from 1 to 65535"
    if not is_host(parts.hostname):
        return f'"{parts.hostname}" is no host name and no address'
    if not _URL_PATH.fullmatch(parts.path):
        return "its path has characters that must be percent-encoded"
    return ""


def without_user(url: str) -> str:
    """An address fit for showing: what stands before an @ may be a password."""
    return re.sub(r"//[^/]*@", "//(hidden)@", url)


def is_host(name: str) -> bool:
    """A host name or an IP address, the latter without brackets."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        # A name whose last label is a number is a mistyped IPv4 address (WHATWG URL, section 3.5).
        last = name.rstrip(".").rpartition(".")[2]
        return len(name) <= 253 and not last.isdigit() and _NAME.fullmatch(name) is not None
    return True


def state_url(loaded: Loaded) -> Iterator[Problem]:
    """The state store has one of the known schemes."""
    url = loaded.config.state.url
    scheme, colon, _ = url.partition("://")
    if url and (not colon or scheme not in STATES):
        hint = did_you_mean(scheme, STATES) if colon else f"write one of {', '.join(STATES)} before ://"
        yield loaded.problem("bad_url", ("state", "url"), found=show(without_user(url)), hint=hint)


def route_hosts(loaded: Loaded) -> Iterator[Problem]:
    """A route's host is exact, or "*." and a domain."""
    for key, route in all_routes(loaded.config):
        for index, host in enumerate(hosts_of(route)):
            where: Key = (*key, "host") if route.host is not None else (*key, "hosts", index)
            name = host.removeprefix("*.").removeprefix("[").removesuffix("]")
            if not is_host(unquote(name)) or "%" in name or "*" in name:
                expected = 'a host name, an address, or "*.example.com"'
                hint = "leave out the port: routes are told by name" if re.search(r":\d+$", host) else ""
                yield loaded.problem("bad_host", where, found=show(host), expected=expected, hint=hint)


def networks(loaded: Loaded) -> Iterator[Problem]:
    """Trusted proxies are networks; to trust all of the world is legal behind a firewall, and said."""
    for index, network in enumerate(loaded.config.gateway.trusted_proxies):
        key = ("gateway", "trusted_proxies", index)
        try:
            parsed = ipaddress.ip_network(network)
        except ValueError as error:
            expected = 'an address or a network such as "10.0.0.0/8"'
            hint = _network_hint(network) if "host bits" in str(error) else ""
            yield loaded.problem("bad_network", key, found=show(network), expected=expected, hint=hint)
            continue
        if parsed.prefixlen == 0:
            hint = "name the networks of your own proxies"
            yield loaded.problem("trusts_everybody", key, found=show(network), hint=hint)


def _network_hint(network: str) -> str:
    return f'did you mean "{ipaddress.ip_network(network, strict=False)}"?'
