"""Networks whose requests are let in, and those that are not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gwproxy.config.addresses import Addresses, Network, Networks, network_of
from gwproxy.config.either import all_routes
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.config.rules.addresses import no_network

WORLD: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
# A list, or one of its networks, and what is to be said of it.
Fault = tuple[tuple[str] | tuple[str, int], str]


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
        denied = _networks([network for _, network in _sound(rules.deny)])
        for index, network in _sound(rules.allow):
            if denied.cover(network):
                yield _in_vain(loaded, key, rules, index, "all of it is denied, and that counts")


def nobody(loaded: Loaded) -> Iterator[Problem]:
    """Somebody gets past each table, and past everybody's and a route's own together."""
    kinds = {listener.partition(":")[0] for listener in loaded.config.gateway.listen}
    if kinds == {"unix"}:
        hint = "the gateway listens on unix sockets only, whose peers have no address that could be in it"
        yield from (
            loaded.problem("nobody_can_enter", (*key, "allow"), hint=hint) for key, rules in _all(loaded) if rules.allow
        )
        return
    # What connects to a unix socket, which an fd may be too, is in no network that could be denied.
    anybody = () if kinds & {"unix", "fd"} else WORLD
    everybodys: Table | None = None
    # [defaults.routes] may have given one table to all.
    judged: dict[Addresses, tuple[Fault, ...]] = {}
    for key, rules in _all(loaded):
        if loaded.unsound.touches(key):
            continue
        if rules not in judged:
            table = _table(rules)
            judged[rules] = () if table is None else tuple(_faults(table, everybodys, anybody))
            if len(key) == 1 and table is not None and not _is_shut((table,), anybody):
                everybodys = table
        for place, hint in judged[rules]:
            if len(place) == 1:
                yield loaded.problem("nobody_can_enter", (*key, *place), hint=f"{hint}: every request is answered 403")
            else:
                yield _in_vain(loaded, key, rules, place[1], hint)


def _faults(table: Table, everybodys: Table | None, anybody: Sequence[Network]) -> Iterator[Fault]:
    """What keeps everybody out, be it this table alone or behind everybody's; and what that one leaves nothing of."""
    if _is_shut((table,), anybody):
        if not table.allow:
            yield ("deny",), "that is everybody"
    elif everybodys is not None and _is_shut((everybodys, table), anybody):
        hint = "[addresses] lets none of these in" if table.allow else "these are all that [addresses] lets in"
        yield ("allow" if table.allow else "deny",), hint
    elif everybodys is not None:
        for index, network in enumerate(table.allow):
            if everybodys.denied.cover(network) and not table.denied.cover(network):
                yield ("allow", index), "[addresses] denies all of it, and that counts"


class Table(NamedTuple):
    """What a table says, where all of it can be read."""

    allow: list[Network]
    allowed: Networks
    denied: Networks


def _table(rules: Addresses) -> Table | None:
    """None for what cannot be read, which is told already."""
    try:
        allow, deny = list(map(network_of, rules.allow)), list(map(network_of, rules.deny))
    except ValueError:
        return None
    return Table(allow, _networks(allow), _networks(deny))


def _is_shut(tables: Sequence[Table], anybody: Sequence[Network]) -> bool:
    """Whether nobody gets past all of these. `anybody`: who comes where none has an allow; empty: others than networks.
    """
    lists = [table for table in tables if table.allow]
    let_in = (
        network
        for table in lists
        for network in table.allow
        if all(other is table or other.allowed.cover(network) for other in lists)
    )
    if not lists and not anybody:
        return False
    return all(any(table.denied.cover(one) for table in tables) for one in (let_in if lists else anybody))


def _networks(found: Sequence[Network]) -> Networks:
    networks = Networks()
    for network in found:
        networks.add(network)
    return networks


def _in_vain(loaded: Loaded, key: Key, rules: Addresses, index: int, hint: str) -> Problem:
    where = (*key, "allow", index)
    return loaded.problem("no_effect", where, found=loaded.shown(where, rules.allow[index]), hint=hint)


def _sound(written: tuple[str, ...]) -> Iterator[tuple[int, Network]]:
    """Those that can be read; the others are told already."""
    for index, text in enumerate(written):
        try:
            yield index, network_of(text)
        except ValueError:
            continue


def _all(loaded: Loaded) -> Iterator[tuple[Key, Addresses]]:
    """Everybody's first."""
    if loaded.config.addresses is not None:
        yield ("addresses",), loaded.config.addresses
    for key, route in all_routes(loaded.config):
        if route.addresses is not None:
            yield (*key, "addresses"), route.addresses
