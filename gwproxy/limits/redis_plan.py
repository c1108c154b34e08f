"""The limits of one route, as a server that is shared decides them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.caller import by_address, who_by
from gwproxy.limits.decision import Refusal
from gwproxy.limits.memory import MemoryPlan, MemoryStore
from gwproxy.limits.spec import Kind, LimitSpec
from gwproxy.limits.told import Fields, filled

MOST_REFUSED: Final = 100_000
"""Callers of a route that are known to be refused until some time."""
_CODES: Final[dict[Kind, str]] = {"exact": "e", "hard": "h", "bucket": "b", "day": "d", "month": "m"}


class Asked(Protocol):
    """The store, as a plan needs it. `trouble`: why it is not asked now, else ""."""

    prefix: str
    trouble: str
    local: MemoryStore

    def ask(self, pending: Pending) -> None:
        """Have a check decided."""


class Pending(Waiter):
    """One request's check, on its way. Set with the server's answer, it tells who waits whether the request goes on."""

    __slots__ = ("_exchange", "keys", "plan")

    def __init__(self, plan: RedisPlan, exchange: Exchange, keys: list[str]) -> None:
        super().__init__()
        self.plan = plan
        self.keys = keys
        self._exchange = exchange

    def settle(self, now: int, numbers: list[int]) -> None:
        """The server's time, and the script's numbers for this check."""
        self.set(self.plan.settle(self._exchange, self.keys, now, numbers))

    def give_up(self) -> None:
        """There is no answer that helps."""
        try:
            self.set(self.plan.alone(self._exchange))
        except GatewayError as error:
            self.fail(error)


class RedisPlan:
    """The limits of one route. `word`: what the script is told of them."""

    __slots__ = (
        "_address", "_deny", "_fields", "_keys", "_local", "_own", "_refusals", "_refused", "_store", "tells", "word",
    )  # fmt: skip

    def __init__(
        self, store: Asked, specs: Sequence[LimitSpec], local: MemoryPlan | None, ipv6_prefix: int, *, deny: bool
    ) -> None:
        self._store = store
        self._refusals = [Refusal(spec) for spec in specs]
        self._local = local
        self._deny = deny
        self._address = partial(by_address, ipv6_prefix)
        self._own = tuple(at for at, spec in enumerate(specs) if spec.by)
        self._refused: dict[str, int] = {}
        self.tells = bool(self._own)
        fields = Fields(specs)
        self._fields = {at: fields.of(specs[at]) for at in self._own if specs[at].told}
        self.word = " ".join(f"{_CODES[spec.kind]} {spec.requests} {spec.window_us}" for spec in specs)
        # One hash tag for all: what is decided together must be in one place.
        self._keys = tuple((f"{store.prefix}:{{l}}:{spec.key}:", spec.by, who_by(spec.by)) for spec in specs)

    def check(self, exchange: Exchange) -> Reply | Pending | None:
        """Take a permit of each limit, or of none, as soon as the server has answered; a Reply where one refuses.

        Raises GatewayError (`state_unavailable`) where the server fails and that is to refuse.
        """
        address = exchange.sender.who or self._address(exchange)
        keys = [
            prefix if not by else prefix + (address if who is None else who(exchange) or address)
            for prefix, by, who in self._keys
        ]
        store = self._store
        if self._refused:
            again = self._refuse_again(exchange, keys)
            if again is not None:
                return again
        if store.trouble:
            return self.alone(exchange)
        pending = Pending(self, exchange, keys)
        store.ask(pending)
        return pending

    def settle(self, exchange: Exchange, keys: list[str], now: int, numbers: list[int]) -> Reply | None:
        """What the server has decided, as the caller is to be told."""
        refusing, wait = numbers[0], numbers[1]
        if not refusing:
            self._tell(exchange, now, numbers)
            return None
        at = refusing - 1
        if at in self._fields:
            exchange.limits = filled(self._fields[at], 0, now, wait)
            self._remember(keys[at], wait)
        else:
            self._tell(exchange, now, numbers)
        return self._refusals[at].reply(exchange, wait)

    def _tell(self, exchange: Exchange, now: int, numbers: list[int]) -> None:
        tightest = -1
        for at in self._fields:
            if tightest < 0 or numbers[2 + 2 * at] < numbers[2 + 2 * tightest]:
                tightest = at
        if tightest >= 0:
            left, renews = numbers[2 + 2 * tightest], numbers[3 + 2 * tightest]
            exchange.limits = filled(self._fields[tightest], left, now, renews)

    def _remember(self, key: str, wait: int) -> None:
        """Until then the answer is known, and the server need not be asked."""
        if len(self._refused) >= MOST_REFUSED:
            # The oldest: a dict remembers in which order it was filled.
            self._refused.pop(next(iter(self._refused)))
        self._refused[key] = self._store.local.now_us() + wait

    def _refuse_again(self, exchange: Exchange, keys: list[str]) -> Reply | None:
        now = self._store.local.now_us()
        for at in self._own:
            until = self._refused.get(keys[at])
            if until is None:
                continue
            if until <= now:
                del self._refused[keys[at]]
                continue
            exchange.limits = filled(self._fields[at], 0, now, until - now)
            return self._refusals[at].reply(exchange, until - now)
        return None

    def alone(self, exchange: Exchange) -> Reply | None:
        """The server fails: what `on_failure` says. Raises GatewayError."""
        if self._local is not None:
            return self._local.check(exchange)
        if self._deny:
            raise GatewayError(
                "state_unavailable", "Limits cannot be counted", blame=Blame.GATEWAY, phase=Phase.POLICY,
                cause=self._store.trouble, retry_after_s=1,
            )  # fmt: skip
        return None
