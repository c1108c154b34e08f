"""Whose requests are let in, by the client's address: what a trusted proxy says it is, or the connection's own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Final

from gwproxy.config.addresses import Address, Addresses, Networks, address_of, network_of
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange

MAX_REMEMBERED: Final = 4096
"""Verdicts that each rule keeps: some 400 KiB, for what would take 4 µs each time."""

SLICE: Final = 1000
"""Networks read between two yields: some 3 ms."""

Rule = tuple[Networks | None, Networks | None]
"""Who is let in and who is not; None where the file has no such list."""


class Door:
    """Rules that all must let a caller in. Verdicts are kept by address, as text: callers come again and again."""

    __slots__ = ("_rules", "_verdicts")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._verdicts: dict[str, bool] = {}

    def check(self, exchange: Exchange) -> None:
        """Raises GatewayError (`address_denied`) for who is not let in."""
        if not self.lets_in(exchange.sender.address):
            raise denied()

    def lets_in(self, address: str) -> bool:
        """Whether a client of this address may ask ("" where it has none, on a unix socket)."""
        verdict = self._verdicts.get(address)
        if verdict is None:
            if len(self._verdicts) >= MAX_REMEMBERED:
                self._verdicts.clear()
            verdict = self._verdicts[address] = self._judge(address_of(address))
        return verdict

    def _judge(self, address: Address | None) -> bool:
        for allow, deny in self._rules:
            if address is None:
                # Nobody knows whether it is one of those that are let in; what is denied are networks, and it has none.
                if allow is not None:
                    return False
            elif (deny is not None and deny.has(address)) or (allow is not None and not allow.has(address)):
                return False
        return True


def denied() -> GatewayError:
    """Who comes from an address that is not let in."""
    return GatewayError("address_denied", "Address denied", phase=Phase.POLICY)


def door_of(rules: Sequence[Addresses]) -> Door:
    """The door that a file's rules are, in one go."""
    made: list[Rule] = []
    for written in rules:
        slices = rule_slices(written)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                made.append(end.value)
                break
    return Door(made)


def rule_slices(written: Addresses) -> Generator[None, None, Rule]:
    """A file's rule, the return value, read in slices of a few milliseconds: lists can be long."""
    allow = yield from _networks(written.allow)
    deny = yield from _networks(written.deny)
    return allow, deny


def _networks(written: Sequence[str]) -> Generator[None, None, Networks | None]:
    if not written:
        return None
    networks = Networks()
    for index, text in enumerate(written):
        networks.add(network_of(text))
        if index % SLICE == SLICE - 1:
            yield
    return networks
