"""Hosts that callers ask for, and networks that are trusted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from gwproxy.config.either import all_routes, hosts_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem

# Labels as resolvers take them: with underscores, which no certificate has but many containers do.
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


def is_host(name: str) -> bool:
    """A host name or an IP address, the latter without brackets."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        # A name whose last label is a number is a mistyped IPv4 address (WHATWG URL, section 3.5).
        last = name.rstrip(".").rpartition(".")[2]
        return len(name) <= 253 and not last.isdigit() and _NAME.fullmatch(name) is not None
    return True


def is_route_host(host: str) -> bool:
    """Whether a route can be for this host: a name, an address, or "*." and a domain."""
    name = host.removeprefix("*.").removeprefix("[").removesuffix("]")
    return is_host(name) and "%" not in name


def route_hosts(loaded: Loaded) -> Iterator[Problem]:
    """A route's host is exact, or "*." and a domain."""
    for key, route in all_routes(loaded.config):
        if key[0] == "gateway":
            # These are on the hosts of the others.
            continue
        for index, host in enumerate(hosts_of(route)):
            where: Key = (*key, "host") if route.host is not None else (*key, "hosts", index)
            if not is_route_host(host):
                expected = 'a host name, an address, or "*.example.com"'
                hint = "leave out the port: routes are told by name" if re.search(r":\d+$", host) else ""
                yield loaded.problem(
                    "bad_host", where, found=loaded.shown(where, host), expected=expected, hint=hint
                )


def networks(loaded: Loaded) -> Iterator[Problem]:
    """Trusted proxies are networks; to trust all of the world is legal behind a firewall, and said."""
    for index, network in enumerate(loaded.config.gateway.trusted_proxies):
        key = ("gateway", "trusted_proxies", index)
        try:
            parsed = ipaddress.ip_network(network)
        except ValueError as error:
            yield no_network(loaded, key, network, error)
            continue
        if parsed.prefixlen == 0:
            hint = "name the networks of your own proxies"
            yield loaded.problem("trusts_everybody", key, found=loaded.shown(key, network), hint=hint)


def no_network(loaded: Loaded, key: Key, written: str, error: ValueError) -> Problem:
    """What stands for a network and is none, with the one that was meant where only bits of a host are too many."""
    expected = 'an address or a network such as "10.0.0.0/8"'
    mistyped = "host bits" in str(error) and key not in loaded.templates
    hint = f'did you mean "{ipaddress.ip_network(written, strict=False)}"?' if mistyped else ""
    return loaded.problem("bad_network", key, found=loaded.shown(key, written), expected=expected, hint=hint)
