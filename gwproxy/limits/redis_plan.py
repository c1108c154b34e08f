"""The limits of one route, as a server that is shared decides them."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final, Literal, Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.limits.caller import by_address, who_by
from gwproxy.limits.decision import refused
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
    on_failure: Literal["local", "allow", "deny"]
    local: MemoryStore

    def ask(self, pending: Pending) -> Waiter:
        """Have a check decided; the Waiter gives the time and the script's numbers, or None where it failed."""


class Pending:
    """One request's check, on its way."""

    __slots__ = ("plan", "waiter", "whos")

    def __init__(self, plan: RedisPlan, whos: list[str]) -> None:
        self.plan = plan
        self.whos = whos
        self.waiter = Waiter()


class RedisPlan:
    """The limits of one route. `words`: what the script is told of them; `prefixes`: their keys, up to the caller."""

    __slots__ = (
        "_address", "_fields", "_local", "_own", "_refused", "_specs", "_store", "_whos", "prefixes", "tells", "words",
    )  # fmt: skip

    def __init__(
        self, store: Asked, specs: Sequence[LimitSpec], local: MemoryPlan, ipv6_prefix: int
    ) -> None:
        self._store = store
        self._specs = tuple(specs)
        self._local = local
        self._address = partial(by_address, ipv6_prefix)
        self._whos = tuple(who_by(spec.by) for spec in specs)
        self._own = tuple(at for at, spec in enumerate(specs) if spec.by)
        self._refused: dict[tuple[int, str], int] = {}
        self.tells = bool(self._own)
        fields = Fields(specs)
        self._fields = {at: fields.of(specs[at]) for at in self._own if specs[at].told}
        self.words = [str(len(specs))]
        for spec in specs:
            self.words += (_CODES[spec.kind], str(spec.requests), str(spec.window_us))
        # One hash tag for all: what is decided together must be in one place.
        self.prefixes = tuple(f"{store.prefix}:{{l}}:{spec.key}:" for spec in specs)

    def check(self, exchange: Exchange) -> Awaitable[None] | None:
        """Take a permit of each limit, or of none, as soon as the server has answered.

        Raises GatewayError: `rate_limited`, and `state_unavailable` where the server fails and that is to refuse.
        """
        address = exchange.sender.who or self._address(exchange)
        whos = [
            "" if not spec.by else address if who is None else who(exchange) or address
            for spec, who in zip(self._specs, self._whos, strict=True)
        ]
        store = self._store
        if self._refused:
            self._refuse_again(exchange, whos)
        if store.trouble:
            self._alone(exchange)
            return None
        return self._wait(exchange, whos)

    async def _wait(self, exchange: Exchange, whos: list[str]) -> None:
        answer = await self._store.ask(Pending(self, whos))
        if answer is None:
            self._alone(exchange)
            return
        now, (refusing, wait, *rest) = answer
        if refusing:
            at = refusing - 1
            if at in self._fields:
                exchange.limits = filled(self._fields[at], 0, now, wait)
                self._remember(at, whos[at], wait)
            else:
                self._tell(exchange, now, rest)
            raise refused(exchange, self._specs[at], wait)
        self._tell(exchange, now, rest)

    def _tell(self, exchange: Exchange, now: int, rest: list[int]) -> None:
        if self._fields:
            at = min(self._fields, key=lambda each: rest[2 * each])
            exchange.limits = filled(self._fields[at], rest[2 * at], now, rest[2 * at + 1])

    def _remember(self, at: int, who: str, wait: int) -> None:
        """Until then the answer is known, and the server need not be asked."""
        if len(self._refused) >= MOST_REFUSED:
            # The oldest: a dict remembers in which order it was filled.
            self._refused.pop(next(iter(self._refused)))
        self._refused[at, who] = self._store.local.now_us() + wait

    def _refuse_again(self, exchange: Exchange, whos: list[str]) -> None:
        now = self._store.local.now_us()
        for at in self._own:
            until = self._refused.get((at, whos[at]))
            if until is None:
                continue
            if until <= now:
                del self._refused[at, whos[at]]
                continue
            exchange.limits = filled(self._fields[at], 0, now, until - now)
            raise refused(exchange, self._specs[at], until - now)

    def _alone(self, exchange: Exchange) -> None:
        """The server fails: what `on_failure` says."""
        if self._store.on_failure == "local":
            self._local.check(exchange)
        elif self._store.on_failure == "deny":
            raise GatewayError(
                "state_unavailable", "Limits cannot be counted", blame=Blame.GATEWAY, phase=Phase.POLICY,
                cause=self._store.trouble, retry_after_s=1,
            )  # fmt: skip
