"""The limits of one route, as one server decides them: all in one call, each request whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.alone import Alone, Deserted
from gwproxy.limits.caller import by_principal, who_by
from gwproxy.limits.decision import Refusal
from gwproxy.limits.places import Spread, around, word_of
from gwproxy.limits.refused import Refused
from gwproxy.limits.server import Server
from gwproxy.limits.spec import LimitSpec
from gwproxy.limits.told import Fields, filled


class Store(Deserted, Spread, Protocol):
    """The store, as a plan needs it."""


def most_of(specs: Sequence[LimitSpec]) -> int:
    """What no number of the script's answer exceeds: permits left, or a time. A `hard` window is some parts longer."""
    return max(max(2 * spec.window_us, spec.requests) for spec in specs)


class Pending(Waiter):
    """One request's check, on its way. Set with the server's answer, it tells who waits whether the request goes on."""

    __slots__ = ("_began", "_exchange", "_plan", "keys", "most", "numbers", "word")

    def __init__(self, plan: RedisPlan, exchange: Exchange, keys: list[str], began: int) -> None:
        super().__init__()
        self._plan = plan
        self._exchange = exchange
        self._began = began
        self.keys = keys
        self.word = plan.word
        self.numbers = plan.numbers
        self.most = plan.most

    def cancel(self) -> None:
        """The caller has left: what the record tells of the exchange is decided."""
        super().cancel()
        self._exchange = self._exchange.apart()

    def settle(self, now: int, numbers: list[int]) -> None:
        """The server's time, and the script's numbers for this check."""
        self.set(self._plan.settle(self._exchange, self.keys, self._began, now, numbers))

    def give_up(self, why: str) -> None:
        """There is no answer that helps."""
        try:
            self.set(self._plan.alone.check(self._exchange, why))
        except GatewayError as error:
            self.fail(error)


class RedisPlan:
    """The limits of one route. `word`: what the script is told of them, `numbers`: how many it answers."""

    __slots__ = (
        "_address", "_fields", "_keys", "_own", "_refusals", "_refused", "_server", "_store", "alone", "most",
        "numbers", "tells", "word",
    )  # fmt: skip

    def __init__(
        self, store: Store, server: Server, specs: Sequence[LimitSpec], ipv6_prefix: int, refused: Refused
    ) -> None:
        self._store = store
        self._refused = refused
        self._server = server
        self._refusals = [Refusal(spec) for spec in specs]
        self.alone = Alone(store, specs, ipv6_prefix)
        self._address = partial(by_principal, ipv6_prefix)
        self._own = tuple(at for at, spec in enumerate(specs) if spec.by)
        self.tells = bool(self._own)
        fields = Fields(specs)
        self._fields = {at: fields.of(specs[at]) for at in self._own if specs[at].told}
        self.word = " ".join(map(word_of, specs))
        self.numbers = 2 + 2 * len(specs)
        self.most = most_of(specs)
        self._keys = tuple((around(spec, store)[0], spec.by, who_by(spec.by, ipv6_prefix)) for spec in specs)

    def check(self, exchange: Exchange) -> Reply | Pending | None:
        """Take a permit of each limit, or of none, as soon as the server has answered; a Reply where one refuses.

        Raises GatewayError (`state_unavailable`) where the server fails and that is to refuse.
        """
        keys = self._keys_of(exchange)
        now = self._store.local.now_us()
        if len(self._refused):
            again = self._refuse_again(exchange, keys, now)
            if again is not None:
                return again
        server = self._server
        if server.trouble:
            return self.alone.check(exchange, server.trouble)
        pending = Pending(self, exchange, keys, now)
        server.ask(pending)
        return pending

    def used_up(self, exchange: Exchange) -> Reply | None:
        """As Plan's: what this process has been told before, or has counted itself."""
        known = self._refuse_again(exchange, self._keys_of(exchange), self._store.local.now_us())
        return known or self.alone.used_up(exchange)

    def _keys_of(self, exchange: Exchange) -> list[str]:
        address = exchange.sender.who or self._address(exchange)
        return [
            prefix if not by else prefix + (address if who is None else who(exchange) or address)
            for prefix, by, who in self._keys
        ]

    def settle(
        self, exchange: Exchange, keys: list[str], began: int, now: int, numbers: list[int]
    ) -> Reply | None:
        """What the server, asked at `began` of this process's time, has decided at its own: as the caller is told."""
        refusing, wait = numbers[0], numbers[1]
        if not refusing:
            self._tell(exchange, keys, began, now, numbers)
            return None
        at = refusing - 1
        if at in self._fields:
            exchange.limits = filled(self._fields[at], 0, now, wait)
            # Until then the answer is known, and the server need not be asked.
            self._refused.add(keys[at], began + wait)
        else:
            self._tell(exchange, keys, began, now, numbers)
        return self._refusals[at].reply(exchange, wait)

    def _tell(self, exchange: Exchange, keys: list[str], began: int, now: int, numbers: list[int]) -> None:
        tightest = -1
        for at in self._fields:
            if tightest < 0 or numbers[2 + 2 * at] < numbers[2 + 2 * tightest]:
                tightest = at
        if tightest >= 0:
            left, renews = numbers[2 + 2 * tightest], numbers[3 + 2 * tightest]
            exchange.limits = filled(self._fields[tightest], left, now, renews)
            if not left:
                self._used_up(keys, began, numbers)

    def _used_up(self, keys: list[str], began: int, numbers: list[int]) -> None:
        """Remember limits of which this was the last permit: another route may refuse for one that it has too."""
        for at in self._fields:
            left, renews = numbers[2 + 2 * at], numbers[3 + 2 * at]
            if not left and renews:
                # From when it was asked: another process's word is not to be earlier than what holds here.
                self._refused.add(keys[at], began + renews)

    def _refuse_again(self, exchange: Exchange, keys: list[str], now: int) -> Reply | None:
        """The Reply where it is known that a limit refuses: of the one that does for longest."""
        refusing, longest = -1, 0
        for at in self._fields:
            wait = self._refused.wait(keys[at], now)
            if wait > longest:
                refusing, longest = at, wait
        if not longest:
            return None
        exchange.limits = filled(self._fields[refusing], 0, now, longest)
        return self._refusals[refusing].reply(exchange, longest)
