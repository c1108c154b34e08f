"""Networks whose requests are let in, and those that are not."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.addresses import Addresses, Network, Networks, network_of
from gwproxy.config.either import all_routes
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.config.rules.addresses import no_network


def networks(loaded: Loaded) -> Iterator[Problem]:
    """Both lists are made of networks."""
    for key, rules in _all(loaded):
        for name in ("allow", "deny"):
            for index, written in enumerate(getattr(rules, name)):
                try:
                    network_of(written)
                except ValueError as error:
                    yield no_network(loaded, (*key, name, index), written, error)


def without_effect(loaded: Loaded) -> Iterator[Problem]:
    """A network that is denied whole is allowed in vain; a table without networks says nothing."""
    for key, rules in _all(loaded):
        if not rules.allow and not rules.deny:
            yield loaded.problem("no_effect", key, hint="it names no network: write allow or deny")
            continue
        denied = Networks()
        for _, network in _sound(rules.deny):
            denied.add(network)
        for index, network in _sound(rules.allow):
            if denied.cover(network):
                where = (*key, "allow", index)
                found = loaded.shown(where, rules.allow[index])
                yield loaded.problem("no_effect", where, found=found, hint="all of it is denied, and that counts")


def _sound(written: tuple[str, ...]) -> Iterator[tuple[int, Network]]:
    """Those that can be read; the others are told already."""
    for index, text in enumerate(written):
        try:
            yield index, network_of(text)
        except ValueError:
            continue


def _all(loaded: Loaded) -> Iterator[tuple[Key, Addresses]]:
    if loaded.config.addresses is not None:
        yield ("addresses",), loaded.config.addresses
    for key, route in all_routes(loaded.config):
        if route.addresses is not None:
            yield (*key, "addresses"), route.addresses
